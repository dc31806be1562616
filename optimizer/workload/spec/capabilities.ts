/** Capabilities by name. @see capabilities(7), linux/capability.h */
import { CAPABILITIES } from './default-spec.ts'

/** In the order of their numbers. */
const NAMES = [
  'CAP_CHOWN',
  'CAP_DAC_OVERRIDE',
  'CAP_DAC_READ_SEARCH',
  'CAP_FOWNER',
  'CAP_FSETID',
  'CAP_KILL',
  'CAP_SETGID',
  'CAP_SETUID',
  'CAP_SETPCAP',
  'CAP_LINUX_IMMUTABLE',
  'CAP_NET_BIND_SERVICE',
  'CAP_NET_BROADCAST',
  'CAP_NET_ADMIN',
  'CAP_NET_RAW',
  'CAP_IPC_LOCK',
  'CAP_IPC_OWNER',
  'CAP_SYS_MODULE',
  'CAP_SYS_RAWIO',
  'CAP_SYS_CHROOT',
  'CAP_SYS_PTRACE',
  'CAP_SYS_PACCT',
  'CAP_SYS_ADMIN',
  'CAP_SYS_BOOT',
  'CAP_SYS_NICE',
  'CAP_SYS_RESOURCE',
  'CAP_SYS_TIME',
  'CAP_SYS_TTY_CONFIG',
  'CAP_MKNOD',
  'CAP_LEASE',
  'CAP_AUDIT_WRITE',
  'CAP_AUDIT_CONTROL',
  'CAP_SETFCAP',
  'CAP_MAC_OVERRIDE',
  'CAP_MAC_ADMIN',
  'CAP_SYSLOG',
  'CAP_WAKE_ALARM',
  'CAP_BLOCK_SUSPEND',
  'CAP_AUDIT_READ',
  'CAP_PERFMON',
  'CAP_BPF',
  'CAP_CHECKPOINT_RESTORE',
] as const

export const ALL_CAPABILITIES = 'ALL'

/** `net_admin`, `CAP_NET_ADMIN`, `all` → as the spec has it, or `ALL`; undefined for no capability. */
export function capabilityName(text: string): string | undefined {
  const upper = text.toUpperCase()
  if (upper === ALL_CAPABILITIES) return upper
  const name = upper.startsWith('CAP_') ? upper : `CAP_${upper}`
  return NAMES.find((known) => known === name)
}

export interface CapabilityChanges {
  privileged: boolean
  /** From {@link capabilityName}. */
  add: readonly string[]
  drop: readonly string[]
}

/**
 * As docker: what is named by itself counts more than `ALL`.
 * @param available what `ALL` is: the bits of a process' bounding set, for nobody can give more than it has
 * @returns in the order of the usual ones, then by number
 */
export function capabilitySet(changes: CapabilityChanges, available: bigint): string[] {
  const { privileged, add, drop } = changes
  const all = NAMES.filter((_, number) => (available >> BigInt(number)) & 1n)
  const usual: readonly string[] = drop.includes(ALL_CAPABILITIES) ? [] : CAPABILITIES
  const base = privileged || add.includes(ALL_CAPABILITIES) ? all : usual
  const more = NAMES.filter((name) => add.includes(name) && !base.includes(name))
  return [...base, ...more].filter((name) => !drop.includes(name))
}
