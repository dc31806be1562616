/** Workloads that behave badly: the run ends as it should, and nothing of them stays. */
import assert from 'node:assert/strict'
import { after, afterEach, before, describe, it } from 'node:test'
import { skipWithoutContainerd } from '../helpers/containerd.ts'
import { OptimizerBench } from '../helpers/optimizer-bench.ts'
import { skipWithoutFanotify } from '../helpers/privilege.ts'
import { putFreshImages } from './fault-bench.ts'

const LINE_MEGABYTES = 100
/** What the optimizer takes for all else, and half of the line. */
const RSS_KIB_MAX = (130 + LINE_MEGABYTES / 2) * 1024
/** Tells, at its end, what the process took at most. */
const TELL_PEAK = 'process.on("exit", () => console.error("peak", process.resourceUsage().maxRSS, "KiB"))'

describe('a workload', { skip: skipWithoutContainerd() || skipWithoutFanotify() }, () => {
  let bench: OptimizerBench
  before(async () => {
    bench = await OptimizerBench.open()
    await putFreshImages(bench, ['image'])
  })
  after(() => bench?.close())
  afterEach(async () => assert.deepEqual(await bench.leftovers(), []))

  const record = (script: string, ...options: string[]) => [
    'record',
    'image',
    '--json',
    '--entrypoint',
    JSON.stringify(['sh', '-c', script]),
    ...options,
  ]

  it('that leaves a daemon behind ends with it', async () => {
    const script = "(trap '' TERM HUP; while :; do sleep 0.05; done) & cat /data/file"
    const { code, stdout, stderr } = await bench.run(record(script, '--period', '30s'))
    assert.equal(code, 0, stderr)
    assert.equal(JSON.parse(stdout).record.stop.rule, 'exit')
  })

  it('that ignores its stop signal is killed after the grace', async () => {
    const script = "trap 'echo not now' TERM; cat /data/file; echo ready; while :; do sleep 0.05; done"
    const { code, stdout, stderr } = await bench.run(
      record(script, '--wait-on-line', 'ready', '--stop-timeout', '500ms'),
    )
    assert.equal(code, 0, stderr)
    assert.match(stderr, /did not end within 0\.5 s of SIGTERM: killing it/)
    const { stop, exitStatus } = JSON.parse(stdout).record
    assert.deepEqual([stop.rule, exitStatus], ['wait-on-line', 137])
  })

  it('that ends before it is ready is a failure, status 4', async () => {
    const { code, stdout, stderr } = await bench.run(record('cat /data/file', '--wait-on-line', 'never said'))
    assert.deepEqual([code, stdout], [4, ''], stderr)
  })

  it('that prints 100 MB without a newline neither stalls nor fills the memory', async () => {
    const line = `busybox dd if=/dev/zero bs=1M count=${LINE_MEGABYTES} 2>/dev/null | busybox tr '\\0' x`
    const script = `cat /data/file; ${line}; echo; echo it is all said; while :; do sleep 0.05; done`
    const { code, stdout, stderr } = await bench.run(
      record(script, '--wait-on-line', 'it is all said', '--log-level', 'warn'),
      { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(TELL_PEAK)}` },
    )
    assert.equal(code, 0, stderr)
    assert.equal(JSON.parse(stdout).record.stop.rule, 'wait-on-line')
    const peak = Number(/peak (\d+) KiB/.exec(stderr)?.[1])
    assert.ok(peak < RSS_KIB_MAX, `${peak} KiB`)
  })
})
