/** containerd killed at every stage: an error, nothing of ours runs on, and `clean` removes the rest afterwards. */
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { mountPointsBelow } from '../../optimizer/workload/mount-points.ts'
import { runFoldersRoot } from '../../optimizer/workload/run.ts'
import { NotFoundError } from '../../shared/errors.ts'
import { skipWithoutContainerd } from '../helpers/containerd.ts'
import { type Finished, finished, OptimizerBench, says } from '../helpers/optimizer-bench.ts'
import { skipWithoutFanotify } from '../helpers/privilege.ts'
import { BRIEF, ENDLESS, nameOf, processesOf, putFreshImages, shell } from './fault-bench.ts'
import { MOMENTS, RUNNING, signalAt } from './moments.ts'

describe('a containerd that is killed', { skip: skipWithoutContainerd() || skipWithoutFanotify() }, () => {
  let bench: OptimizerBench
  before(async () => {
    bench = await OptimizerBench.open()
    await putFreshImages(bench, [...MOMENTS.map((moment) => nameOf(moment)), 'back'])
  })
  after(() => bench?.close())

  for (const moment of MOMENTS) {
    it(`at "${moment}" ends the run, and clean removes the rest`, async () => {
      const name = nameOf(moment)
      const { code, stdout, stderr } = await killedAt(moment, name)
      assert.deepEqual([code, stdout], [3, ''], stderr)
      assert.match(stderr, /^optimizer: .* \[CONTAINERD_UNAVAILABLE\]$/m)
      assert.deepEqual(ownTraces(bench, stderr), [], stderr)

      await bench.containerd.daemon.restart()
      const cleaned = await bench.run(['clean', '--json'])
      assert.equal(cleaned.code, 0, cleaned.stderr)
      for (const { failures } of JSON.parse(cleaned.stdout).runs) assert.deepEqual(failures, [])
      assert.deepEqual(await bench.leftovers(), [], stderr)
      await assert.rejects(bench.stores.images.get(`${name}-target`), NotFoundError)
    })
  }

  async function killedAt(moment: string, name: string): Promise<Finished> {
    const workload = moment === RUNNING ? ENDLESS : BRIEF
    const fault = signalAt(moment, 'SIGKILL', { pid: bench.containerd.daemon.pid })
    return await bench.run(['optimize', name, `${name}-target`, ...workload], fault)
  }

  it('while the workload runs, and comes back, does not end the run', async () => {
    const workload = shell('echo started; while [ ! -e /go ]; do sleep 0.05; done; cat /data/file')
    const child = bench.spawn(['optimize', 'back', 'back-target', ...workload])
    const end = finished(child)
    await says(child, /\| started/)
    const pid = bench.taskPid()
    const back = says(child, /containerd is back/)
    await bench.containerd.daemon.restart()
    await back
    writeFileSync(join('/proc', pid, 'root', 'go'), '')
    const { code, stderr } = await end
    assert.equal(code, 0, stderr)
    assert.match(stderr, /containerd went away; waiting for it to come back\n(.*\n)*containerd is back/)
    assert.deepEqual(await bench.leftovers(), [])
  })
})

/** What still runs or lies about while containerd is away. */
function ownTraces(bench: OptimizerBench, stderr: string): string[] {
  const folders = existsSync(runFoldersRoot()) ? readdirSync(runFoldersRoot()) : []
  const own = folders.filter((name) => stderr.includes(name)).map((name) => join(runFoldersRoot(), name))
  const mounts = own.flatMap((folder) => mountPointsBelow(folder))
  const files = readdirSync(bench.temporaryFolder)
  return [...own, ...mounts, ...files, ...workloads(bench), ...processesOf(bench), ...controlGroups(stderr)]
}

/** Of the runs that something could not be removed of. */
function controlGroups(stderr: string): string[] {
  const ids = new Set(stderr.match(/\bhotlayer-[0-9a-f]{12}\b/g))
  const hierarchies = ['/sys/fs/cgroup', ...mountPointsBelow('/sys/fs/cgroup')]
  return hierarchies.flatMap((hierarchy) => [...ids].map((id) => join(hierarchy, id))).filter(existsSync)
}

/** Processes below the shims of this containerd: workloads. */
function workloads(bench: OptimizerBench): string[] {
  const processes = readdirSync('/proc').flatMap((pid) => {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
      const [state, parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
      const words = readFileSync(`/proc/${pid}/cmdline`, 'latin1').split('\0')
      return state === 'Z' ? [] : [{ pid, parent, words }]
    } catch {
      return []
    }
  })
  const shims = processes.filter(({ words }) => words.includes(bench.containerd.daemon.address))
  const below = processes.filter(({ parent }) => shims.some(({ pid }) => pid === parent))
  return below.map(({ pid, words }) => `process ${pid} ${words.join(' ')}`)
}
