/** Everything that can go wrong with a workload: the error says so, and nothing is left. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { after, before, beforeEach, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { clean } from '../../optimizer/workload/clean.ts'
import { InterruptedError, NotFoundError } from '../../shared/errors.ts'
import { SILENT_LOG } from '../../shared/log.ts'
import type { TestImage } from '../helpers/busybox-image.ts'
import { skipWithoutContainerd } from '../helpers/containerd.ts'
import { skipWithoutFanotify } from '../helpers/privilege.ts'
import { WorkloadBench } from '../helpers/workload.ts'

const skip = skipWithoutContainerd() || skipWithoutFanotify()

/** Pids of the notifiers that this process has started. */
function notifierPids(): number[] {
  return readdirSync('/proc').flatMap((pid) => {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
      const parent = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1])
      const isNotifier = readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('notifier/main')
      return parent === process.pid && isNotifier ? [Number(pid)] : []
    } catch {
      return []
    }
  })
}

describe('a workload that fails', { skip }, () => {
  let bench: WorkloadBench
  let image: TestImage
  before(async () => {
    bench = await WorkloadBench.open()
    image = await bench.image(
      [{ broken: 'not a program', 'lost.sh': '#!/no/such/interpreter\n', 'folder/': '' }],
      { Env: ['PATH=/bin'] },
    )
  })
  after(() => bench?.close())
  beforeEach(() => {
    bench.warnings.length = 0
  })

  async function fails(settings: Parameters<WorkloadBench['run']>[1], expected: object): Promise<void> {
    await assert.rejects(bench.run(image, settings), expected)
    assert.deepEqual(await bench.leftovers(), [])
    assert.deepEqual(bench.warnings, [])
  }
  const entrypoint = (...words: string[]) => ({ options: { entrypoint: words } })

  it('by itself is an error that shows its last words', async () => {
    await fails(entrypoint('sh', '-c', 'echo some trouble >&2; exit 9'), {
      code: 'WORKLOAD_FAILED',
      exitCode: 4,
      message: /ended with status 9.*some trouble/s,
    })
  })

  it('for want of its command', async () => {
    await fails(entrypoint('no-such-command'), {
      code: 'COMMAND_NOT_FOUND',
      exitCode: 4,
      message: /"no-such-command" in its PATH/,
    })
    await fails(entrypoint('/no/such/path'), { code: 'COMMAND_NOT_FOUND', message: /"\/no\/such\/path"/ })
    await fails(entrypoint('/folder'), {
      code: 'COMMAND_NOT_EXECUTABLE',
      exitCode: 4,
      message: /\([^:]*\): check/,
    })
  })

  it('because its command is no program', async () => {
    await fails(entrypoint('/broken'), { code: 'WORKLOAD_FAILED', message: /not a program for this machine/ })
  })

  it('because neither image nor options name a command', async () => {
    await fails({}, { code: 'COMMAND_MISSING', exitCode: 3 })
  })

  it('because the user is not in the image', async () => {
    await fails(
      { options: { entrypoint: ['true'], user: 'nobody-knows' } },
      { code: 'USER_UNKNOWN', exitCode: 3 },
    )
  })

  it('because the snapshotter is not there', async () => {
    await fails({ options: { snapshotter: 'nonesuch' } }, { code: 'SNAPSHOTTER_UNKNOWN', exitCode: 3 })
  })

  it('because the person interrupts it', async () => {
    const interruption = new AbortController()
    const reason = new InterruptedError()
    const onLine = () => interruption.abort(reason)
    const script = "trap '' TERM; echo started; while :; do sleep 0.05; done"
    await fails({ ...entrypoint('sh', '-c', script), signal: interruption.signal, onLine }, reason)
  })

  it('because the person interrupts it before it has begun', async () => {
    const interruption = new AbortController()
    const reason = new InterruptedError()
    const before = () => interruption.abort(reason)
    await fails({ ...entrypoint('true'), signal: interruption.signal, before }, reason)
  })

  it('because the notifier is killed', async () => {
    const onLine = () => {
      for (const pid of notifierPids()) process.kill(pid, 'SIGKILL')
    }
    const script = 'echo started; while :; do sleep 0.05; done'
    await fails({ ...entrypoint('sh', '-c', script), onLine }, { code: 'NOTIFIER_DIED', message: /SIGKILL/ })
  })

  it('because a layer is not what the config says', async () => {
    const digests = image.config.rootfs.diff_ids
    const config = { ...image.config, rootfs: { type: 'layers', diff_ids: [digests[1], digests[0]] } }
    await assert.rejects(bench.run({ ...image, config } as TestImage), {
      code: 'DIFF_ID_MISMATCH',
      exitCode: 3,
    })
    assert.deepEqual(await bench.leftovers(), [])
  })

  it('because a blob is missing', async () => {
    const absent = `sha256:${'0'.repeat(64)}`
    const layers = image.manifest.layers.map((layer) => ({ ...layer, digest: absent }))
    const diff_ids = layers.map((_, index) => `sha256:${String(index + 1).repeat(64)}`)
    const unsound = {
      ...image,
      manifest: { ...image.manifest, layers },
      config: { ...image.config, rootfs: { type: 'layers', diff_ids } },
    }
    await assert.rejects(bench.run(unsound as TestImage), NotFoundError)
    assert.deepEqual(await bench.leftovers(), [])
  })
})

describe('a workload whose containerd goes away', { skip }, () => {
  let bench: WorkloadBench
  let image: TestImage
  before(async () => {
    bench = await WorkloadBench.open()
    image = await bench.image([{ 'data/': '', 'data/late': 'late\n' }], { Env: ['PATH=/bin'] })
  })
  after(() => bench?.close())

  it('is followed to its end when containerd comes back', async () => {
    let restarted: Promise<void> | undefined
    const onLine = (line: string) => {
      if (line === 'started') restarted = bench.containerd.daemon.restart()
    }
    const run = await bench.shell(image, 'sleep 0.3; echo started; sleep 2; cat /data/late', { onLine })
    await restarted
    assert.equal(run.exitStatus, 0)
    assert.ok(run.accesses.some(({ path }) => path.toString() === '/data/late'))
    assert.deepEqual(await bench.leftovers(), [])
  })
})

describe('clean', { skip }, () => {
  let bench: WorkloadBench
  let image: TestImage
  before(async () => {
    bench = await WorkloadBench.open()
    image = await bench.image([], { Env: ['PATH=/bin'] })
  })
  after(() => bench?.close())

  it('leaves a run alone whose process lives', async () => {
    const { client } = bench.containerd
    let report: Promise<unknown> | undefined
    const onLine = () => {
      report = clean(client, 'overlayfs', SILENT_LOG)
    }
    const run = await bench.shell(image, 'echo started; sleep 0.5', { onLine })
    assert.deepEqual(await report, { runs: [], undecided: [] })
    assert.equal(run.exitStatus, 0)
  })

  it('removes everything of a run whose process was killed, the running task too', async () => {
    const { client, daemon } = bench.containerd
    const program = fileURLToPath(new URL('../helpers/run-until-killed.js', import.meta.url))
    const child = spawn(process.execPath, [program, daemon.address, daemon.namespace, image.manifestDigest], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    await once(child.stdout, 'data')
    child.kill('SIGKILL')
    await once(child, 'exit')
    const before = await bench.leftovers()
    for (const kind of ['run folder', 'mount', 'container', 'task', 'snapshot', 'lease', 'ingest', 'process'])
      assert.ok(
        before.some((line) => line.startsWith(kind)),
        `a ${kind} was to be left: ${before}`,
      )

    const report = await clean(client, 'overlayfs', SILENT_LOG)
    assert.deepEqual(await bench.leftovers(), [])
    assert.equal(report.runs.length, 1)
    assert.deepEqual(report.runs[0]?.failures, [])
    const kinds = report.runs[0]?.removed.map((noun) => noun.split(' ')[0])
    assert.deepEqual(kinds, ['task', 'container', 'mount', 'snapshot', 'ingest', 'lease', 'folder'])
    assert.deepEqual(await clean(client, 'overlayfs', SILENT_LOG), { runs: [], undecided: [] })
  })
})
