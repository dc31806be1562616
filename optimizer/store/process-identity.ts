/** Who a process is beyond its pid: pids are used again, after a reboot and in other pid namespaces too. */
import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { systemCodeOf } from '../../shared/errors.ts'

/** In a folder that a process has made for itself: whose it is, as {@link formatIdentity} writes it. */
const OWNER_FILE = 'process'
/** A process names itself as soon as it has made its folder. */
const NAMELESS_SECONDS_MAX = 60

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

/** This process has made the folder. */
export function signFolder(folder: string): void {
  writeFileSync(join(folder, OWNER_FILE), formatIdentity(ownIdentity()))
}

/** A new folder of this process; where the disk has no room for its name, it does not stay: nobody could tell whose it is. */
export function makeOwnFolder(prefix: string): string {
  const folder = mkdtempSync(prefix)
  try {
    signFolder(folder)
    return folder
  } catch (error) {
    rmSync(folder, { recursive: true, force: true })
    throw error
  }
}

/**
 * Of the process that a folder is of. `unknown` where it names none (yet), and where we may not look: but a folder that has
 * been nameless and empty for long is of one that was killed as it made it.
 */
export function ownerState(folder: string): 'alive' | 'dead' | 'unknown' {
  try {
    const text = ownerText(folder)
    const identity = parseIdentity(text)
    if (identity !== null) return stateOf(identity)
    return text === '' && isForsaken(folder) ? 'dead' : 'unknown'
  } catch {
    // Another user's, or gone meanwhile.
    return 'unknown'
  }
}

/** '' where there is none yet. */
function ownerText(folder: string): string {
  try {
    return readFileSync(join(folder, OWNER_FILE), 'utf8')
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT') return ''
    throw error
  }
}

function isForsaken(folder: string): boolean {
  const ageSeconds = (Date.now() - statSync(folder).mtimeMs) / 1000
  return ageSeconds > NAMELESS_SECONDS_MAX && readdirSync(folder).every((name) => name === OWNER_FILE)
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
