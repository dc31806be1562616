/** Who a process is beyond its pid: pids are used again, after a reboot and in other pid namespaces too. */
import { readFileSync, readlinkSync } from 'node:fs'

export interface ProcessIdentity {
  pid: number
  /** Start in clock ticks since boot. @see proc(5), /proc/pid/stat, starttime */
  startTicks: string
  bootId: string
  /** `pid:[4026531836]` */
  pidNamespace: string
}

/** This process. */
export function ownIdentity(): ProcessIdentity {
  return {
    pid: process.pid,
    startTicks: readStat('self')?.startTicks ?? '0',
    bootId: bootId(),
    pidNamespace: readlinkSync('/proc/self/ns/pid'),
  }
}

/** One word, fit for a label's value. */
export function formatIdentity(identity: ProcessIdentity): string {
  const { pid, startTicks, bootId, pidNamespace } = identity
  return [pid, startTicks, bootId, pidNamespace].join(',')
}

/** @returns null for a text that is not of {@link formatIdentity} */
export function parseIdentity(text: string): ProcessIdentity | null {
  const [pid, startTicks, boot, pidNamespace, ...rest] = text.split(',')
  if (!/^[1-9]\d*$/.test(pid ?? '') || !startTicks || !boot || !pidNamespace || rest.length > 0) return null
  return { pid: Number(pid), startTicks, bootId: boot, pidNamespace }
}

/** `unknown`: the process belongs to another pid namespace, its pid says nothing here. */
export function stateOf(identity: ProcessIdentity): 'alive' | 'dead' | 'unknown' {
  if (identity.bootId !== bootId()) return 'dead'
  if (identity.pidNamespace !== readlinkSync('/proc/self/ns/pid')) return 'unknown'
  const stat = readStat(String(identity.pid))
  if (stat === null || stat.startTicks !== identity.startTicks) return 'dead'
  return stat.state === 'Z' || stat.state === 'X' ? 'dead' : 'alive'
}

/** Of the process that a file names, as {@link formatIdentity} writes it; `unknown` where it names none (yet). */
export function ownerState(file: string): 'alive' | 'dead' | 'unknown' {
  try {
    const identity = parseIdentity(readFileSync(file, 'utf8'))
    return identity === null ? 'unknown' : stateOf(identity)
  } catch {
    return 'unknown'
  }
}

function bootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
}

function readStat(process: string): { state: string; startTicks: string } | null {
  try {
    const text = readFileSync(`/proc/${process}/stat`, 'latin1')
    // The command before it may hold anything, brackets and spaces too.
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
    return { state: fields[0] ?? '', startTicks: fields[19] ?? '' }
  } catch {
    return null
  }
}
