/** Removes what killed runs left: only what carries a run's labels, only when the run's process is gone. */
import { readdirSync, readFileSync, realpathSync } from 'node:fs'
import { join } from 'node:path'
import { CodedError, messageOf } from '../../shared/errors.ts'
import type { Log } from '../../shared/log.ts'
import type { Containerd } from '../containerd/client.ts'
import { parseIdentity, stateOf } from '../store/process-identity.ts'
import { detach } from './cni/attachment.ts'
import { endTask } from './containerd/teardown.ts'
import { hasNotes } from './folder-notes.ts'
import { mountPointsBelow } from './mount-points.ts'
import { unmountBelow } from './rootfs.ts'
import { RUN_FILE, RUN_LABEL, type RunFile, removeRunFolder, runFoldersRoot } from './run.ts'
import { type Attempt, cacheOf, removeRuncContainer, removeRuncFolder } from './runc/clean.ts'
import { discardOutput } from './task-output.ts'

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
 * Runs that have, or had, to do with this containerd.
 * @param snapshotter one to look at besides those that the runs themselves name
 * @returns also when some of it could not be removed: see `failures`
 */
export async function clean(containerd: Containerd, snapshotter: string, log: Log): Promise<CleanReport> {
  return await removeDead(await findRuns(containerd, snapshotter), (traces) =>
    removeRun(containerd, traces, log),
  )
}

/** Runs that had to do with no containerd. @returns as {@link clean} */
export async function cleanOwnRuns(log: Log): Promise<CleanReport> {
  const folders = runFolders().filter(({ file }) => file.address === undefined)
  const runs = folders.map(({ file: { id, process }, folder }) => ({ ...noTraces(id, process), folder }))
  return await removeDead(runs, (traces) => removeRun(null, traces, log))
}

/** Whether the folder of a run is there that works, or worked, with this containerd. */
export function hasRunsFor(place: { address: string; namespace: string }): boolean {
  return runFolders().some(({ file }) => isOf(file, place))
}

/** Where runs that are there, living or not, keep unpacked layers: as `--cache-dir` names it. */
export function cachesOfRuns(): string[] {
  return runFolders().flatMap(({ folder }) => cacheOf(folder) ?? [])
}

async function removeDead(
  runs: readonly Traces[],
  remove: (traces: Traces) => Promise<CleanReport['runs'][number]>,
): Promise<CleanReport> {
  const report: CleanReport = { runs: [], undecided: [] }
  for (const traces of runs) {
    const identity = parseIdentity(traces.process)
    const state = identity === null ? 'unknown' : stateOf(identity)
    if (state === 'unknown') report.undecided.push(traces.id)
    if (state === 'dead') report.runs.push(await remove(traces))
  }
  return report
}

function noTraces(id: string, process: string): Traces {
  return { id, process, containers: [], snapshots: [], hasLease: false, folder: null }
}

async function findRuns(containerd: Containerd, snapshotter: string): Promise<Traces[]> {
  const runs = new Map<string, Traces>()
  const tracesOf = (id: string | undefined, process: string | undefined): Traces => {
    const known = runs.get(id ?? '')
    if (known) return known
    const traces = noTraces(id ?? '', process ?? '')
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
  for (const { file, folder } of runFolders().filter((each) => isOf(each.file, containerd)))
    tracesOf(file.id, file.process).folder = folder
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

function runFolders(): { file: RunFile; folder: string }[] {
  const root = runFoldersRoot()
  const names = orElse(() => readdirSync(root), [])
  return names.flatMap((name) => {
    const folder = join(root, name)
    const file = orElse(() => JSON.parse(readFileSync(join(folder, RUN_FILE), 'utf8')) as RunFile, null)
    return file?.id === name ? [{ file, folder }] : []
  })
}

/** Of a run in this containerd and namespace. */
function isOf(file: RunFile, { address, namespace }: { address: string; namespace: string }): boolean {
  return (
    file.address !== undefined && file.namespace === namespace && realPath(file.address) === realPath(address)
  )
}

/** In the order of a normal end: task before container, mount before snapshot, lease last but the folder. */
async function removeRun(
  containerd: Containerd | null,
  traces: Traces,
  log: Log,
): Promise<CleanReport['runs'][number]> {
  const { id, folder } = traces
  const result = { id, removed: [] as string[], failures: [] as string[] }
  const attempt: Attempt = async (what, step) => {
    try {
      if (await step()) result.removed.push(what)
    } catch (error) {
      result.failures.push(`${what}: ${messageOf(error)}`)
      log.warn(`could not remove ${what}: ${messageOf(error)}`)
    }
  }
  // A task's deletion waits for somebody to read its output.
  const stopReading = folder === null ? () => {} : discardOutput(folder)
  if (containerd !== null) await removeTasks(containerd, traces, attempt)
  stopReading()
  if (folder !== null) await removeRuncContainer(folder, id, attempt)
  // The plugins want the network namespace, which is one of the mounts.
  if (folder !== null) await attempt('network', () => detach(folder))
  for (const point of folder === null ? [] : mountPointsBelow(folder).reverse())
    await attempt(`mount ${point}`, async () => unmountBelow(point))
  if (folder !== null) await removeRuncFolder(folder, attempt)
  if (containerd !== null) await removeRest(containerd, traces, attempt)
  if (folder !== null && (result.failures.length === 0 || !hasNotes(folder)))
    await attempt(`folder ${folder}`, async () => removeRunFolder(folder))
  return result
}

async function removeTasks(containerd: Containerd, { containers }: Traces, attempt: Attempt): Promise<void> {
  for (const container of containers) {
    await attempt(`task ${container}`, () => endTask(containerd.tasks, container))
    await attempt(`container ${container}`, () => containerd.containers.delete(container))
  }
}

async function removeRest(
  containerd: Containerd,
  { id, snapshots, hasLease }: Traces,
  attempt: Attempt,
): Promise<void> {
  for (const { snapshotter, key } of snapshots)
    await attempt(`snapshot ${key}`, () => containerd.snapshots(snapshotter).remove(key))
  for (const ref of await containerd.content.listIngests(`${id}-`))
    await attempt(`ingest ${ref}`, () => containerd.content.abort(ref))
  if (hasLease) await attempt(`lease ${id}`, () => containerd.leases.delete(id))
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
