/** Removes what killed runs left: only what carries a run's labels, only when the run's process is gone. */
import { readdirSync, readFileSync, realpathSync } from 'node:fs'
import { join } from 'node:path'
import { CodedError, messageOf } from '../../shared/errors.ts'
import type { Log } from '../../shared/log.ts'
import type { Containerd } from '../containerd/client.ts'
import { parseIdentity, stateOf } from '../store/process-identity.ts'
import { detach } from './cni/attachment.ts'
import { mountPointsBelow } from './mount-points.ts'
import { unmountBelow } from './rootfs.ts'
import { RUN_FILE, RUN_LABEL, type RunFile, removeRunFolder, runFoldersRoot } from './run.ts'
import { discardOutput } from './task-output.ts'
import { endTask } from './teardown.ts'

export interface CleanReport {
  /** Dead runs, and what was removed of each, as nouns. */
  runs: { id: string; removed: string[]; failures: string[] }[]
  /** Runs of processes that cannot be seen from here (another pid namespace): left alone. */
  undecided: string[]
}

/** What is known of a run. */
interface Traces {
  id: string
  /** Text of the label; the same on all its traces. */
  process: string
  containers: string[]
  snapshots: { snapshotter: string; key: string }[]
  hasLease: boolean
  folder: string | null
}

/**
 * @param snapshotter one to look at besides those that the runs themselves name
 * @returns also when some of it could not be removed: see `failures`
 */
export async function clean(containerd: Containerd, snapshotter: string, log: Log): Promise<CleanReport> {
  const report: CleanReport = { runs: [], undecided: [] }
  for (const traces of await findRuns(containerd, snapshotter)) {
    const identity = parseIdentity(traces.process)
    const state = identity === null ? 'unknown' : stateOf(identity)
    if (state === 'unknown') report.undecided.push(traces.id)
    if (state === 'dead') report.runs.push(await removeRun(containerd, traces, log))
  }
  return report
}

async function findRuns(containerd: Containerd, snapshotter: string): Promise<Traces[]> {
  const runs = new Map<string, Traces>()
  const tracesOf = (id: string | undefined, process: string | undefined): Traces => {
    const known = runs.get(id ?? '')
    if (known) return known
    const none = { containers: [], snapshots: [], hasLease: false, folder: null }
    const traces: Traces = { id: id ?? '', process: process ?? '', ...none }
    runs.set(traces.id, traces)
    return traces
  }
  const labelled = (labels: Record<string, string>) =>
    tracesOf(labels[RUN_LABEL.id], labels[RUN_LABEL.process])

  const snapshotters = new Set([snapshotter])
  for (const { labels } of await containerd.leases.list(RUN_LABEL.id)) {
    labelled(labels).hasLease = true
    snapshotters.add(labels[RUN_LABEL.snapshotter] ?? snapshotter)
  }
  for (const container of await containerd.containers.list(RUN_LABEL.id)) {
    labelled(container.labels).containers.push(container.id)
    snapshotters.add(container.snapshotter)
  }
  for (const name of snapshotters) {
    for (const { key, labels } of await snapshotsOf(containerd, name))
      labelled(labels).snapshots.push({ snapshotter: name, key })
  }
  for (const { file, folder } of runFoldersFor(containerd)) tracesOf(file.id, file.process).folder = folder
  return [...runs.values()]
}

/** Those that carry a run's label; none when the snapshotter is not loaded (any more). */
async function snapshotsOf(containerd: Containerd, snapshotter: string) {
  try {
    return await containerd.snapshots(snapshotter).list(RUN_LABEL.id)
  } catch (error) {
    if (error instanceof CodedError && error.code === 'SNAPSHOTTER_UNKNOWN') return []
    throw error
  }
}

/** Run folders of runs in this containerd and namespace. */
function runFoldersFor(containerd: Containerd): { file: RunFile; folder: string }[] {
  const root = runFoldersRoot()
  const names = orElse(() => readdirSync(root), [])
  return names.flatMap((name) => {
    const folder = join(root, name)
    const file = orElse(() => JSON.parse(readFileSync(join(folder, RUN_FILE), 'utf8')) as RunFile, null)
    const ours =
      file?.id === name &&
      file.namespace === containerd.namespace &&
      realPath(file.address) === realPath(containerd.address)
    return ours ? [{ file, folder }] : []
  })
}

/** In the order of a normal end: task before container, mount before snapshot, lease last but the folder. */
async function removeRun(
  containerd: Containerd,
  traces: Traces,
  log: Log,
): Promise<CleanReport['runs'][number]> {
  const { id, folder } = traces
  const result = { id, removed: [] as string[], failures: [] as string[] }
  const attempt = async (what: string, step: () => Promise<boolean>) => {
    try {
      if (await step()) result.removed.push(what)
    } catch (error) {
      result.failures.push(`${what}: ${messageOf(error)}`)
      log.warn(`could not remove ${what}: ${messageOf(error)}`)
    }
  }
  // A task's deletion waits for somebody to read its output.
  const stopReading = folder === null ? () => {} : discardOutput(folder)
  for (const container of traces.containers) {
    await attempt(`task ${container}`, () => endTask(containerd.tasks, container))
    await attempt(`container ${container}`, () => containerd.containers.delete(container))
  }
  stopReading()
  // The plugins want the network namespace, which is one of the mounts.
  if (folder !== null) await attempt('network', () => detach(folder))
  for (const point of folder === null ? [] : mountPointsBelow(folder).reverse())
    await attempt(`mount ${point}`, async () => unmountBelow(point))
  for (const { snapshotter, key } of traces.snapshots)
    await attempt(`snapshot ${key}`, () => containerd.snapshots(snapshotter).remove(key))
  for (const ref of await containerd.content.listIngests(`${id}-`))
    await attempt(`ingest ${ref}`, () => containerd.content.abort(ref))
  if (traces.hasLease) await attempt(`lease ${id}`, () => containerd.leases.delete(id))
  if (folder !== null) await attempt(`folder ${folder}`, async () => removeRunFolder(folder))
  return result
}

function orElse<T, Else>(read: () => T, otherwise: Else): T | Else {
  try {
    return read()
  } catch {
    return otherwise
  }
}

function realPath(path: string): string {
  return orElse(() => realpathSync(path), path)
}
