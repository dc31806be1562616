/** Control groups that a containerd which was ended from outside has not removed, and the one that runtimes never do. */
import { existsSync } from 'node:fs'
import { readdir, readFile, rmdir } from 'node:fs/promises'
import { join } from 'node:path'
import { mountPointsBelow } from '../../optimizer/workload/mount-points.ts'
import { systemCodeOf } from '../../shared/errors.ts'

/** Of tasks that nobody has deleted. @see runc's state.json */
export async function cgroupsOf(runtimeState: string): Promise<string[]> {
  const cgroups: string[] = []
  for (const id of await readdir(runtimeState).catch(() => [])) {
    const text = await readFile(join(runtimeState, id, 'state.json'), 'utf8').catch(() => '{}')
    const { cgroup_paths: paths = {} } = JSON.parse(text) as { cgroup_paths?: Record<string, string> }
    cgroups.push(...Object.values(paths))
  }
  return cgroups
}

/** `ctr run` puts a task at /NAMESPACE/ID in each hierarchy: the runtime removes ID alone. */
export function namespaceCgroups(namespace: string): string[] {
  const hierarchies = mountPointsBelow('/sys/fs/cgroup')
  return hierarchies.map((hierarchy) => join(hierarchy, namespace)).filter((path) => existsSync(path))
}

/** Those of tasks before those that they are in. */
export async function removeCgroups(folders: readonly string[]): Promise<void> {
  for (const folder of folders)
    await rmdir(folder).catch((error) => {
      if (systemCodeOf(error) !== 'ENOENT') throw error
    })
}
