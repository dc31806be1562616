/** Driving a real workload: what only its work reads is in the record, and a step that fails is the run's failure. */
import assert from 'node:assert/strict'
import { after, afterEach, before, describe, it } from 'node:test'
import type { DriveStep, WorkloadOptions } from '../../optimizer/workload/options.ts'
import type { TestImage } from '../helpers/busybox-image.ts'
import { skipWithoutContainerd } from '../helpers/containerd.ts'
import { skipWithoutFanotify } from '../helpers/privilege.ts'
import { runPaths, WorkloadBench } from '../helpers/workload.ts'

/** Begins to listen late; goes on until it is told to stop. */
const SERVER = 'sleep 0.3; httpd -p 8080 -h /web; sleep 1000 & wait'
/** A page that a program makes. */
const HANDLER = `#!/bin/sh
cat /data/handler >/dev/null
echo "Content-Type: text/plain"; echo; read body; echo "$REQUEST_METHOD $body"; [ ! -e /tmp/marked ] || cat /data/marked
`

const exec = (...args: string[]): DriveStep => ({ kind: 'exec', args })
const http = (path: string, change: { method?: string; body?: string } = {}): DriveStep => ({
  kind: 'http',
  method: 'GET',
  url: new URL(`http://localhost:8080${path}`),
  ...change,
})

describe('a workload that is driven', { skip: skipWithoutContainerd() || skipWithoutFanotify() }, () => {
  let bench: WorkloadBench
  let image: TestImage
  before(async () => {
    bench = await WorkloadBench.open()
    const files = {
      'web/': '',
      'web/cgi-bin/': '',
      'web/cgi-bin/page': HANDLER,
      'data/': '',
      'data/handler': 'x\n',
      'data/marked': 'x\n',
      'mark.sh': '#!/bin/sh\necho marking; echo > /tmp/marked\n',
      'fail.sh': '#!/bin/sh\necho some trouble >&2; exit 3\n',
    }
    image = await bench.image([files], { Env: ['PATH=/bin'] })
  })
  after(() => bench?.close())
  afterEach(async () => assert.deepEqual(await bench.leftovers(), []))

  const run = (options: Partial<WorkloadOptions>, script = SERVER) => bench.shell(image, script, { options })

  it('is recorded at its work, in the order of the steps, its port being waited for', async () => {
    const drive = [
      http('/cgi-bin/page'),
      exec('/mark.sh'),
      http('/cgi-bin/page', { method: 'POST', body: 'a=1' }),
    ]
    const found = await run({ drive, settleSeconds: 0.1 })
    const paths = runPaths(found.accesses).filter((path) => /^\/(web|data|mark\.sh)/.test(path))
    assert.deepEqual(paths, ['/web/cgi-bin/page', '/data/handler', '/mark.sh', '/data/marked'])
    assert.deepEqual(found.drive, [
      { http: 'GET http://localhost:8080/cgi-bin/page', status: 200 },
      { exec: ['/mark.sh'], status: 0 },
      { http: 'POST http://localhost:8080/cgi-bin/page', status: 200 },
    ])
    assert.equal(found.stop.rule, 'settle')
    assert.match(found.stop.reason, /^driven by 3 steps, then no new file for 0.1 s$/)
    // What the commands say is told, and what they read is the workload's use, not a probe's.
    assert.ok(bench.lines.includes('marking'))
    assert.equal(found.probePids.size, 0)
  })

  it('and without that is not', async () => {
    const found = await run({ settleSeconds: 0.5 })
    assert.deepEqual(
      runPaths(found.accesses).filter((path) => !path.startsWith('/bin')),
      [],
    )
    assert.deepEqual(found.drive, [])
  })

  async function fails(options: Partial<WorkloadOptions>, message: RegExp, script?: string): Promise<void> {
    await assert.rejects(run(options, script), { code: 'DRIVE_FAILED', exitCode: 4, message })
  }

  it('fails with a step that fails, and the last lines of both', async () => {
    const said =
      /^--exec \["\/fail.sh"\] ended with status 3: nothing is written.*said last:\nsome trouble\n.*said last:\nup$/s
    const drive = [exec('/fail.sh'), exec('/mark.sh')]
    await fails({ waitOnLine: ['up'], drive }, said, 'echo up; sleep 1000 & wait')
    await fails(
      { drive: [exec('/absent')] },
      /^--exec \["\/absent"\] could not be run: .*no such file/s,
      'sleep 1000',
    )
    await fails(
      { drive: [http('/missing')] },
      /^--http GET \S+\/missing was answered with status 404: .*404 Not Found/s,
    )
  })

  it('fails when the bound comes first, or its own end', async () => {
    const bounded = { drive: [http('/')], periodSeconds: 0.3 }
    await fails(
      bounded,
      /0.3 s had passed before it was driven \(--http GET \S+ has not ended\)/,
      'sleep 1000',
    )
    await fails({ drive: [http('/')] }, /ended with status 0 before it was driven/, 'exit 0')
  })

  it('may fail, if that is allowed, and is recorded as far as it went', async () => {
    const found = await run({ drive: [http('/cgi-bin/page'), exec('/fail.sh')], allowFailure: true })
    assert.equal(found.stop.reason, '--exec ["/fail.sh"] ended with status 3')
    assert.deepEqual(
      found.drive.map(({ status }) => status),
      [200, 3],
    )
    assert.ok(runPaths(found.accesses).includes('/data/handler'))
  })
})
