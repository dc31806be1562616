/** What recording needs of the process, looked at before anything is done. */
import { accessSync, constants, existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { PreconditionError } from '../../shared/errors.ts'

/** Bit of CAP_SYS_ADMIN. @see capabilities(7), linux/capability.h */
const CAP_SYS_ADMIN = 21n

const RECORDING =
  'recording watches the container with fanotify and mounts its root, which needs CAP_SYS_ADMIN: run as root ' +
  '(sudo), or convert without recording (optimizer convert, or --no-optimize)'

/** What the first user namespace maps; no container that has one of its own is given all of it. */
const ALL_USERS = /^\s*0\s+0\s+4294967295\s*$/

const IN_USER_NAMESPACE =
  'this process is root in a user namespace alone, as in a rootless container, and recording watches the container with ' +
  "fanotify, which needs the machine's own CAP_SYS_ADMIN: run as root outside, or in a container of the machine's root " +
  '(docs/in-container.md), or convert without recording (optimizer convert, or --no-optimize)'

/**
 * @param sentence what needs it, and what else can be done
 * @throws {PreconditionError} PRIVILEGE_MISSING without CAP_SYS_ADMIN
 */
export function requirePrivilege(sentence = RECORDING): void {
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '0'
  if ((BigInt(`0x${effective}`) >> CAP_SYS_ADMIN) & 1n) return
  throw new PreconditionError('PRIVILEGE_MISSING', sentence)
}

/** Of what records. @throws {PreconditionError} PRIVILEGE_MISSING */
export function requireRecordingPrivilege(userMap = '/proc/self/uid_map'): void {
  requirePrivilege()
  // A kernel without user namespaces has no such file, and the first one alone.
  if (existsSync(userMap) && !ALL_USERS.test(readFileSync(userMap, 'utf8')))
    throw new PreconditionError('PRIVILEGE_MISSING', IN_USER_NAMESPACE)
}

/**
 * For a runtime that this program calls itself; containerd has its own.
 * @throws {PreconditionError} CGROUPS_UNUSABLE
 */
export function requireWritableCgroups(root = '/sys/fs/cgroup'): void {
  const folders = existsSync(root) ? readdirSync(root, { withFileTypes: true }) : []
  const hierarchies = [
    root,
    ...folders.filter((entry) => entry.isDirectory()).map(({ name }) => join(root, name)),
  ].filter((folder) => existsSync(join(folder, 'cgroup.procs')))
  if (hierarchies.some(isWritable)) return
  const what = hierarchies.length === 0 ? `there are none at ${root}` : `${root} is read-only`
  throw new PreconditionError(
    'CGROUPS_UNUSABLE',
    `the runtime puts the workload into control groups, and ${what}, as in a container without --privileged: start that one with --privileged, or with the control groups mounted writable (docs/in-container.md)`,
  )
}

function isWritable(folder: string): boolean {
  try {
    accessSync(folder, constants.W_OK)
    return true
  } catch {
    return false
  }
}
