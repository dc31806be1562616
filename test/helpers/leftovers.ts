/** What a run should not leave: compared before and after, or expected to be nothing. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { Containerd } from '../../optimizer/containerd/client.ts'
import { mountPointsBelow } from '../../optimizer/workload/mount-points.ts'
import { RUN_FILE, RUN_ID_PREFIX, runFoldersRoot } from '../../optimizer/workload/run.ts'

/** Longer than any run of another test is without processes in its group. */
const GROUP_TIMEOUT_MS = 30_000
const GROUP_POLL_MS = 50

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
  found.push(...processes(containerd.namespace), ...(await cgroups()))
  return found
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

/**
 * Groups of runs whose folder is gone: a run that lives still has its folder. Empty ones, for a group with processes in
 * it belongs to a run that lives where its folder cannot be seen from here (a chroot, say): our own workloads are told
 * as tasks. And those that stay: a group is empty for a moment while such a run begins or ends, and while the test of
 * a containerd that has died takes that away.
 */
async function cgroups(): Promise<string[]> {
  const deadline = performance.now() + GROUP_TIMEOUT_MS
  for (;;) {
    const left = emptyGroups()
    if (left.length === 0 || performance.now() > deadline) return left.map((folder) => `cgroup ${folder}`)
    await delay(GROUP_POLL_MS)
  }
}

function emptyGroups(): string[] {
  return list('/sys/fs/cgroup').flatMap((hierarchy) =>
    list(join('/sys/fs/cgroup', hierarchy))
      .filter((name) => name.startsWith(RUN_ID_PREFIX) && !existsSync(join(runFoldersRoot(), name)))
      .map((name) => join('/sys/fs/cgroup', hierarchy, name))
      .filter((folder) => !isPopulated(folder)),
  )
}

function isPopulated(cgroup: string): boolean {
  try {
    if (readFileSync(join(cgroup, 'cgroup.procs'), 'utf8') !== '') return true
    return readdirSync(cgroup, { withFileTypes: true }).some(
      (entry) => entry.isDirectory() && isPopulated(join(cgroup, entry.name)),
    )
  } catch {
    // Removed since: whoever owns it lives.
    return true
  }
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}
