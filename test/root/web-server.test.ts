/** README's record of a web server at work, in one command, on a real image of Debian's packages. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { importImage, runAndAsk } from '../../bench/sample/run-image.ts'
import { buildSampleImage, type SampleImage } from '../../bench/sample/sample-image.ts'
import { SILENT_LOG } from '../../shared/log.ts'
import { parseRecord } from '../../shared/record.ts'
import { lackOfControllers } from '../helpers/cgroup-v2.ts'
import { skipWithoutContainerd } from '../helpers/containerd.ts'
import { OptimizerBench } from '../helpers/optimizer-bench.ts'
import { skipWithoutFanotify } from '../helpers/privilege.ts'

describe('a web server', { skip: skipWithoutContainerd() || skipWithoutFanotify() }, () => {
  let bench: OptimizerBench
  let image: SampleImage
  before(async () => {
    const { signal } = new AbortController()
    image = await buildSampleImage({ kind: 'web', log: SILENT_LOG, signal })
    bench = await OptimizerBench.open()
    await importImage(bench.containerd.daemon, image, signal)
  })
  after(() => bench?.close())

  async function recorded(...options: string[]) {
    const { code, stdout, stderr } = await bench.run(['record', image.name, '--settle', '500ms', ...options])
    assert.equal(code, 0, stderr)
    const { header, entries } = parseRecord(stdout)
    return { header, paths: new Set(entries.map(({ path }) => path.toString())) }
  }

  it('that is asked for its pages is recorded with what they are made of, and else without', async () => {
    const ready = ['--ready-tcp', 'localhost:8080']
    const requests = ['GET http://localhost:8080/?q=gold', 'GET http://localhost:8080/static/style.css']
    const driven = await recorded(...ready, ...requests.flatMap((request) => ['--http', request]))
    const { paths } = await recorded(...ready)
    const page = ['srv/app/templates/index.html', 'srv/app/static/style.css']
    assert.deepEqual(
      page.map((path) => [driven.paths.has(path), paths.has(path)]),
      page.map(() => [true, false]),
    )
    assert.ok(paths.has('srv/app/app.py'))
    assert.deepEqual(
      driven.header.drive,
      requests.map((http) => ({ http, status: 200 })),
    )
  })
  it('run by containerd alone, as npm start shows it, leaves nothing when that is interrupted', {
    skip: lackOfControllers(),
  }, async () => {
    const { client, daemon } = bench.containerd
    const interruption = new AbortController()
    let isOver = false
    const asked = runAndAsk(daemon, image.name, interruption.signal).finally(() => {
      isOver = true
    })
    while (!isOver && (await client.containers.list()).length === 0) await delay(20)
    interruption.abort(new Error('interrupted'))
    await assert.rejects(asked, /interrupted/)
    assert.deepEqual(await bench.leftovers(), [])
  })
})
