/** Each stop rule on a real workload: what makes it ready, and what does not. */
import assert from 'node:assert/strict'
import { after, afterEach, before, describe, it } from 'node:test'
import type { WorkloadOptions } from '../../optimizer/workload/options.ts'
import type { WorkloadRun } from '../../optimizer/workload/run-workload.ts'
import type { TestImage } from '../helpers/busybox-image.ts'
import { skipWithoutContainerd } from '../helpers/containerd.ts'
import { skipWithoutFanotify } from '../helpers/privilege.ts'
import { runPaths, WorkloadBench } from '../helpers/workload.ts'

/** Begins to listen late; goes on until it is told to stop. */
const SERVER = 'sleep 0.3; httpd -p 127.0.0.1:8080 -h /data; echo serving; sleep 1000 & wait'

describe('a workload is over', { skip: skipWithoutContainerd() || skipWithoutFanotify() }, () => {
  let bench: WorkloadBench
  let image: TestImage
  before(async () => {
    bench = await WorkloadBench.open()
    image = await bench.image(
      [
        {
          'data/': '',
          'data/index.html': 'hello\n',
          'data/late': 'late\n',
          'data/probe-only': 'x\n',
          'check.sh': '#!/bin/sh\ncat /data/probe-only && [ -e /tmp/ready ]\n',
        },
      ],
      { Env: ['PATH=/bin'] },
    )
  })
  after(() => bench?.close())
  afterEach(async () => assert.deepEqual(await bench.leftovers(), []))

  const run = (script: string, options: Partial<WorkloadOptions>, onLine?: (line: string) => void) =>
    bench.shell(image, script, { options, ...(onLine === undefined ? {} : { onLine }) })

  function isReady({ stop }: WorkloadRun, rule: string, reason: RegExp): void {
    assert.equal(stop.rule, rule)
    assert.match(stop.reason, reason)
    assert.ok(stop.readySeconds !== null && stop.readySeconds < 30)
  }

  async function neverReady(
    script: string,
    options: Partial<WorkloadOptions>,
    message: RegExp,
  ): Promise<void> {
    await assert.rejects(run(script, { periodSeconds: 0.5, ...options }), {
      code: 'WORKLOAD_NOT_READY',
      exitCode: 4,
      message,
    })
  }

  describe('when it has said a line', () => {
    const waitOnLine = ['is rea']
    it('on stdout or on stderr, before the end of the line', async () => {
      for (const redirection of ['', '>&2']) {
        const script = `printf 'it is ready' ${redirection}; sleep 1000 & wait`
        isReady(await run(script, { waitOnLine }), 'wait-on-line', /^std(out|err) has said "is rea"$/)
      }
    })

    it('at once, before anybody looks, and again and again', async () => {
      const script = 'while :; do echo it is ready; done'
      isReady(await run(script, { waitOnLine }), 'wait-on-line', /stdout/)
    })

    it('that matches a pattern', async () => {
      const waitOnRegex = [/^ready in \d+ ms$/]
      const script = 'echo ready in no time; echo ready in 12 ms; sleep 1000 & wait'
      isReady(await run(script, { waitOnRegex }), 'wait-on-regex', /matches \/\^ready/)
      await neverReady('echo ready in no time; sleep 1000', { waitOnRegex }, /--wait-on-regex/)
    })

    it('and fails when it says another', async () => {
      await neverReady(
        'echo not yet; sleep 1000',
        { waitOnLine, periodSeconds: 2 },
        /--wait-on-line.*said last:\nnot yet/s,
      )
    })
  })

  describe('when it serves', () => {
    const readyTcp = [{ address: '127.0.0.1', port: 8080 }]
    it('connections, in its own network', async () => {
      isReady(await run(SERVER, { readyTcp }), 'ready-tcp', /^127\.0\.0\.1:8080 took a connection$/)
      const byName = { readyTcp: [{ address: 'localhost', port: 8080 }] }
      isReady(await run(SERVER, byName), 'ready-tcp', /localhost/)
    })

    it('connections over IPv6', async () => {
      const script = SERVER.replace('127.0.0.1:', '[::1]:')
      isReady(await run(script, { readyTcp: [{ address: '::1', port: 8080 }] }), 'ready-tcp', /^\[::1\]:8080/)
    })

    it('pages, which the record then has', async () => {
      const found = await run(SERVER, { readyHttp: [new URL('http://localhost:8080/')] })
      isReady(found, 'ready-http', /status 200/)
      assert.ok(runPaths(found.accesses).includes('/data/index.html'))
    })

    it('and not what others serve, nor errors', async () => {
      await neverReady('sleep 1000', { readyTcp }, /--ready-tcp: nothing takes a connection at /)
      const missing = { readyHttp: [new URL('http://127.0.0.1:8080/missing')], periodSeconds: 3 }
      await neverReady(SERVER, missing, /--ready-http: \S+\/missing answered with status 404/)
    })
  })

  describe('when a command in it succeeds', () => {
    const readyExec = [['/check.sh']]
    it('whose accesses are told from its own', async () => {
      const found = await run('sleep 0.5; echo > /tmp/ready; sleep 1000 & wait', { readyExec })
      isReady(found, 'ready-exec', /\["\/check\.sh"\] ended with status 0/)
      const readers = (path: string) =>
        found.accesses.filter((access) => access.path.toString() === path).map(({ pid }) => pid)
      assert.ok(readers('/check.sh').every((pid) => found.probePids.has(pid)))
      assert.ok(readers('/bin/busybox').some((pid) => !found.probePids.has(pid)))
    })

    it('and fails when it does not, or is not there, or does not end', async () => {
      await neverReady(
        'sleep 1000',
        { readyExec, periodSeconds: 3 },
        /--ready-exec: \["\/check\.sh"\] ended with status 1/,
      )
      await neverReady('sleep 1000', { readyExec: [['/missing']] }, /--ready-exec/)
      await neverReady('sleep 1000', { readyExec: [['sleep', '1000']] }, /--ready-exec/)
    })
  })

  it('when all of its rules are met, not earlier', async () => {
    const options = { waitOnLine: ['serving'], readyTcp: [{ address: '127.0.0.1', port: 8080 }] }
    const found = await run(SERVER, options)
    // The one that is met last gives its name, and which that is nobody knows before.
    assert.ok(['wait-on-line', 'ready-tcp'].includes(found.stop.rule))
    isReady(found, found.stop.rule, /has said "serving" and 127\.0\.0\.1:8080 took/)
    await neverReady('echo serving; sleep 1000', options, /--wait-on-line: .*, --ready-tcp/)
  })

  it('when it has settled: files opened after it was ready still count', async () => {
    const script = 'echo ready; sleep 0.1; cat /data/late; sleep 1000 & wait'
    const found = await run(script, { waitOnLine: ['ready'], settleSeconds: 2 })
    isReady(found, 'settle', /has said "ready", then no new file for 2 s$/)
    assert.ok(runPaths(found.accesses).includes('/data/late'))
  })

  it('at the end of the period, which is a success, if it was ready but has not settled', async () => {
    const script = 'echo ready; i=0; while :; do i=$((i+1)); echo > /tmp/$i; sleep 0.05; done'
    // It begins to settle after the period has begun: however slow the machine, the period comes first.
    const options = { waitOnLine: ['ready'], settleSeconds: 1, periodSeconds: 1 }
    isReady(await run(script, options), 'period', /^1 s had passed, ready before$/)
  })

  it('when it ends by itself, which fails if it was not ready before', async () => {
    const waitOnLine = ['ready']
    await neverReady(
      'echo done',
      { waitOnLine, periodSeconds: 30 },
      /ended with status 0 before it was ready/,
    )
    const found = await run('echo ready; exit 0', { waitOnLine, settleSeconds: 20 })
    assert.equal(found.stop.rule, 'exit')
  })

  it('when a person says so', async () => {
    let say = () => {}
    const interrupted = new Promise<void>((resolve) => {
      say = resolve
    })
    const found = await bench.shell(image, 'echo started; cat /data/late; echo read; sleep 1000 & wait', {
      options: { waitOnSignal: true },
      nextInterrupt: () => interrupted,
      onLine: (line) => line === 'read' && say(),
    })
    assert.deepEqual([found.stop.rule, found.stop.reason], ['wait-on-signal', 'SIGINT came'])
    assert.ok(runPaths(found.accesses).includes('/data/late'))
  })

  it('and may fail or never be ready, if that is allowed, and is recorded', async () => {
    const failing = await run('cat /data/late; exit 3', { allowFailure: true })
    assert.deepEqual([failing.stop.rule, failing.exitStatus], ['exit', 3])
    assert.ok(runPaths(failing.accesses).includes('/data/late'))
    const waiting = { waitOnLine: ['ready'], periodSeconds: 0.3, allowFailure: true }
    const unready = await run('cat /data/late; sleep 1000', waiting)
    assert.deepEqual([unready.stop.rule, unready.stop.readySeconds], ['period', null])
  })

  it('with every process of it, those that do not heed the signal and those it has left behind', async () => {
    const script =
      "trap '' TERM; (trap '' TERM; while :; do sleep 0.05; done) & echo ready; while :; do sleep 0.05; done"
    const found = await run(script, { waitOnLine: ['ready'], stopTimeoutSeconds: 0.2 })
    assert.equal(found.exitStatus, 137)
  })
})
