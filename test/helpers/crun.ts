/** A crun that works on this machine. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/**
 * It refuses a hybrid of both versions of control groups: there it is shown the first alone.
 * @param folder that a program may be written to
 */
export function crunThatWorks(folder: string): string {
  const second = '/sys/fs/cgroup/unified'
  const controllers = join(second, 'cgroup.controllers')
  if (!existsSync(controllers) || readFileSync(controllers, 'utf8') === '\n') return 'crun'
  const path = join(folder, 'crun')
  const inside = `umount ${second} && exec crun "$@"`
  writeFileSync(path, `#!/bin/sh\nexec unshare --mount sh -c '${inside}' crun "$@"\n`, { mode: 0o755 })
  return path
}
