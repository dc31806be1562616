/** What recording needs of the process, looked at before anything is done. */
import { readFileSync } from 'node:fs'
import { PreconditionError } from '../../shared/errors.ts'

/** Bit of CAP_SYS_ADMIN. @see capabilities(7), linux/capability.h */
const CAP_SYS_ADMIN = 21n

const RECORDING =
  'recording watches the container with fanotify and mounts its root, which needs CAP_SYS_ADMIN: run as root ' +
  '(sudo), or convert without recording (optimizer convert, or --no-optimize)'

/**
 * @param sentence what needs it, and what else can be done
 * @throws {PreconditionError} PRIVILEGE_MISSING without CAP_SYS_ADMIN
 */
export function requirePrivilege(sentence = RECORDING): void {
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '0'
  if ((BigInt(`0x${effective}`) >> CAP_SYS_ADMIN) & 1n) return
  throw new PreconditionError('PRIVILEGE_MISSING', sentence)
}
