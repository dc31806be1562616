/** What a run should not leave: compared before and after, or expected to be nothing. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { Containerd } from '../../optimizer/containerd/client.ts'
import { mountPointsBelow } from '../../optimizer/workload/mount-points.ts'
import { RUN_FILE, RUN_ID_PREFIX, runFoldersRoot } from '../../optimizer/workload/run.ts'

/** What others end, a shim and the groups of its task, they end in their own time. */
const END_TIMEOUT_MS = 60_000
const POLL_MS = 50

/**
 * Everything temporary of runs in this containerd namespace, and of their processes, as readable lines.
 * Test leases that the caller made are named in `except`.
 */
export async function leftovers(
  containerd: Containerd,
  options: { snapshotters?: string[]; except?: string[] } = {},
): Promise<string[]> {
  const { snapshotters = ['overlayfs', 'native'], except = [] } = options
  const found: string[] = []
  const folders = runFolders(containerd.namespace)
  for (const folder of folders) {
    found.push(`run folder ${folder}`)
    for (const point of mountPointsBelow(folder)) found.push(`mount ${point}`)
  }
  for (const { id } of await containerd.containers.list()) found.push(`container ${id}`)
  for (const name of list(join('/run/containerd/runc', containerd.namespace))) found.push(`task ${name}`)
  for (const snapshotter of snapshotters) {
    for (const { key } of await containerd.snapshots(snapshotter).list())
      if (!key.startsWith('sha256:')) found.push(`snapshot ${key} of ${snapshotter}`)
  }
  for (const { id } of await containerd.leases.list()) if (!except.includes(id)) found.push(`lease ${id}`)
  for (const ref of await containerd.content.listIngests('')) found.push(`ingest ${ref}`)
  const ending = () => [...processes(containerd.namespace), ...groupsOf(runIds(containerd))]
  const goesOn = found.some((line) => line.startsWith('task '))
  return [...found, ...(goesOn ? ending() : await atLast(ending))]
}

/** Control groups of these runs; once there are none, or those that stay. */
export async function groupsLeft(ids: Iterable<string>): Promise<string[]> {
  return await atLast(() => groupsOf(ids))
}

async function atLast(find: () => string[]): Promise<string[]> {
  const deadline = performance.now() + END_TIMEOUT_MS
  for (;;) {
    const found = find()
    if (found.length === 0 || performance.now() > deadline) return found
    await delay(POLL_MS)
  }
}

function runFolders(namespace: string): string[] {
  const folders = list(runFoldersRoot()).map((name) => join(runFoldersRoot(), name))
  return folders.filter((folder) => {
    try {
      return JSON.parse(readFileSync(join(folder, RUN_FILE), 'utf8')).namespace === namespace
    } catch {
      return false
    }
  })
}

/** Shims of the namespace, and notifiers that this process has started. */
function processes(namespace: string): string[] {
  return list('/proc').flatMap((pid) => {
    if (!/^\d+$/.test(pid)) return []
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
      const [state, parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
      const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')
      const isShim = words[0]?.includes('containerd-shim') && words.includes(namespace)
      const isNotifier =
        Number(parent) === process.pid && words.some((word) => word.includes('notifier/main'))
      return state !== 'Z' && (isShim || isNotifier) ? [`process ${pid} ${words.join(' ')}`] : []
    } catch {
      return []
    }
  })
}

/** Of all runs that had a container in this private containerd: its log names them. Others' groups are their own affair. */
function runIds({ address }: Containerd): Set<string> {
  const log = readFileSync(join(dirname(address), 'containerd.log'), 'utf8')
  return new Set(log.match(new RegExp(`\\b${RUN_ID_PREFIX}[0-9a-f]{12}\\b`, 'g')))
}

/** Also of version 2, whose hierarchy may be the folder itself. A group with processes in it belongs to a task, which is told. */
function groupsOf(ids: Iterable<string>): string[] {
  const hierarchies = [
    '/sys/fs/cgroup',
    ...list('/sys/fs/cgroup').map((name) => join('/sys/fs/cgroup', name)),
  ]
  return [...ids]
    .filter((id) => !existsSync(join(runFoldersRoot(), id)))
    .flatMap((id) => hierarchies.map((hierarchy) => join(hierarchy, id)))
    .filter((folder) => existsSync(folder))
    .map((folder) => `cgroup ${folder}`)
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}
