/**
 * The protocol's contract: its version, every message, how it is encoded and what is accepted.
 * A payload is one msgpack map. docs/protocol.md is the full text; the fixtures in test/fixtures/protocol
 * pin the bytes. Any change of bytes raises the version.
 */
// Not the package's whole: that loads a native accelerator for strings and streams, which cost the notifier's start.
import { Packr } from 'msgpackr/pack'
import { COMMAND_BYTES_MAX, PATH_BYTES_MAX, readAccesses } from './accesses-reader.ts'
import { CodedError, messageOf } from './errors.ts'

export const PROTOCOL_VERSION: Version = { major: 1, minor: 1 }

export interface Version {
  major: number
  minor: number
}

export type MarkKind = 'filesystem' | 'mount'

/** How a file was opened: bits, OR-ed when a path comes again. `read` needs FAN_ACCESS evidence. */
export const KIND = { open: 1, exec: 2, read: 4 } as const

/** `create`: before the workload's first instruction (the runtime's init and hooks). */
export const PHASE = { create: 0, run: 1 } as const
export type Phase = (typeof PHASE)[keyof typeof PHASE]

/** The first access of one file. On the wire an array in this order, which may only grow at its end. */
export interface Access {
  /** Absolute path as the kernel names it; bytes, never text. */
  path: Buffer
  /** Bits of KIND. */
  kinds: number
  pid: number
  /** Microseconds since `started`; negative before it. The stamp is that of the batch: order is exact. */
  elapsedMicroseconds: number
  phase: Phase
  sizeBytes: number
  /** Command name (/proc/<pid>/comm) of the reader, or null when it had ended. */
  command: Buffer | null
}

/** The notifier's account of its run. */
export interface Counters {
  /** Events taken from the kernel, own ones included. */
  read: number
  /** Events of files already seen. */
  merged: number
  /** Entries sent in `accesses`. */
  sent: number
  /** Times the kernel's queue overflowed: accesses are missing. */
  overflows: number
  /** Events that came without a descriptor: accesses are missing. */
  descriptorErrors: number
  /** Events whose path could not be read: accesses are missing. */
  unresolved: number
  /** Files already removed when their path was read; they are sent under the name they had. */
  deleted: number
  /** Events of the notifier itself. */
  ignoredOwn: number
}

export const COUNTER_NAMES = [
  'read',
  'merged',
  'sent',
  'overflows',
  'descriptorErrors',
  'unresolved',
  'deleted',
  'ignoredOwn',
] as const satisfies readonly (keyof Counters)[]

/** What a process can do beyond the version: open, keys are added freely, values are plain. */
export type Capabilities = Record<string, string | number | boolean>

export interface Hello {
  type: 'hello'
  version: Version
  program: string
  pid: number
  capabilities: Capabilities
}

export interface ErrorMessage {
  type: 'error'
  code: string
  /** The step that failed, e.g. `fanotify_mark`. */
  stage: string
  message: string
  errno?: number
}

/**
 * Where to mark: a path in the notifier's view (`filesystem`, or `mount` stand-alone), or a process' root.
 * `reads` (1.1, a notifier with the capability of that name): tell of KIND.read too.
 */
export type Mark =
  | { type: 'mark'; kind: MarkKind; path: Buffer; reason: string; reads?: boolean }
  | { type: 'mark'; kind: 'mount'; rootPid: number; reason: string; reads?: boolean }

export type FromOptimizer =
  | Hello
  | Mark
  | { type: 'started' }
  | { type: 'flush' }
  | { type: 'stop' }
  | ErrorMessage

export type FromNotifier =
  | Hello
  | { type: 'marked'; kind: MarkKind; reason: string }
  | { type: 'started' }
  | { type: 'accesses'; sequence: number; entries: Access[] }
  | { type: 'flushed'; counters: Counters }
  | { type: 'stopped'; counters: Counters }
  | ErrorMessage

/** A frame's payload is not an acceptable message. Codes: MESSAGE_MALFORMED, MESSAGE_INVALID, VERSION_UNSUPPORTED. */
export class MessageError extends CodedError {}

const TEXT_CHARACTERS_MAX = 4096
const CAPABILITIES_MAX = 64

// One codec for both directions: no record structures (no other msgpack reader knows them), smallest map headers.
const packr = new Packr({ useRecords: false, variableMapSize: true, int64AsType: 'bigint' })

/** One message as the payload of a frame. Integers outside 32 bits travel as float64. */
export function encodeMessage(message: FromOptimizer | FromNotifier): Buffer {
  return packr.pack(
    message.type === 'accesses' ? { ...message, entries: message.entries.map(entryToWire) } : message,
  )
}

function entryToWire(access: Access): unknown[] {
  return [
    access.path,
    access.kinds,
    access.pid,
    access.elapsedMicroseconds,
    access.phase,
    access.sizeBytes,
    access.command,
  ]
}

/**
 * A message from the notifier. Paths and commands do not keep the payload's memory.
 * @returns null for a message type this version does not know: the caller counts and ignores it
 * @throws {MessageError}
 */
export function decodeFromNotifier(payload: Uint8Array): FromNotifier | null {
  const accesses = readAccesses(payload)
  return accesses === null ? decodeByCodec(payload) : { type: 'accesses', ...accesses }
}

/** What `decodeFromNotifier` is without its short cut, which tests hold to this. */
export function decodeByCodec(payload: Uint8Array): FromNotifier | null {
  const map = decodeMap(payload)
  switch (map.type) {
    case 'hello':
      return hello(map)
    case 'marked':
      return { type: 'marked', kind: markKind(map), reason: text(map, 'reason') }
    case 'started':
      return { type: 'started' }
    case 'accesses':
      return { type: 'accesses', sequence: count(map, 'sequence'), entries: entries(map) }
    case 'flushed':
    case 'stopped':
      return { type: map.type, counters: counters(map) }
    case 'error':
      return errorMessage(map)
    default:
      return null
  }
}

/**
 * A message from the optimizer.
 * @returns null for a message type this version does not know: the caller counts and ignores it
 * @throws {MessageError}
 */
export function decodeFromOptimizer(payload: Uint8Array): FromOptimizer | null {
  const map = decodeMap(payload)
  switch (map.type) {
    case 'hello':
      return hello(map)
    case 'mark':
      return mark(map)
    case 'started':
    case 'flush':
    case 'stop':
      return { type: map.type }
    case 'error':
      return errorMessage(map)
    default:
      return null
  }
}

/**
 * Both sides call this with the peer's `hello`.
 * @throws {MessageError} VERSION_UNSUPPORTED naming both versions when the majors differ
 */
export function requireSameMajor(peer: Hello): void {
  if (peer.version.major === PROTOCOL_VERSION.major) return
  throw new MessageError(
    'VERSION_UNSUPPORTED',
    `${peer.program} speaks protocol ${peer.version.major}.${peer.version.minor}, this side speaks ` +
      `${PROTOCOL_VERSION.major}.${PROTOCOL_VERSION.minor}: install both from the same release`,
  )
}

type WireMap = Record<string, unknown> & { type: string }

function decodeMap(payload: Uint8Array): WireMap {
  let value: unknown
  try {
    value = packr.unpack(payload)
  } catch (cause) {
    throw new MessageError(
      'MESSAGE_MALFORMED',
      `a frame does not hold one msgpack value: ${messageOf(cause)}`,
      { cause },
    )
  }
  if (!isPlainMap(value)) throw new MessageError('MESSAGE_MALFORMED', 'a frame does not hold a msgpack map')
  if (typeof value.type !== 'string') throw invalid('?', 'type', 'a string', value.type)
  return value as WireMap
}

/** msgpack extension types arrive as dates, regular expressions, errors, …: only plain maps pass. */
function isPlainMap(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype
}

function hello(map: WireMap): Hello {
  const version = map.version
  if (!isPlainMap(version)) throw invalid('hello', 'version', 'a map', version)
  return {
    type: 'hello',
    version: {
      major: integer('hello', 'version.major', version.major, 0, 65535),
      minor: integer('hello', 'version.minor', version.minor, 0, 65535),
    },
    program: text(map, 'program'),
    pid: count(map, 'pid'),
    capabilities: capabilities(map),
  }
}

function capabilities(map: WireMap): Capabilities {
  const value = map.capabilities
  if (!isPlainMap(value)) throw invalid(map.type, 'capabilities', 'a map', value)
  const keys = Object.keys(value)
  if (keys.length > CAPABILITIES_MAX)
    throw invalid(map.type, 'capabilities', `at most ${CAPABILITIES_MAX} keys`, keys.length)
  for (const key of keys) {
    const item = value[key]
    const plain = typeof item === 'boolean' || typeof item === 'number' || typeof item === 'string'
    if (!plain || String(item).length > TEXT_CHARACTERS_MAX)
      throw invalid(map.type, `capabilities.${key.slice(0, 64)}`, 'a short plain value', item)
  }
  return value as Capabilities
}

function mark(map: WireMap): Mark {
  const kind = markKind(map)
  const rest = { reason: text(map, 'reason'), ...optionalReads(map) }
  if (kind === 'mount' && map.rootPid !== undefined) {
    return { type: 'mark', kind, rootPid: integer('mark', 'rootPid', map.rootPid, 1, 0x7fffffff), ...rest }
  }
  const path = bytes('mark', 'path', map.path, PATH_BYTES_MAX)
  if (path[0] !== 0x2f || path.includes(0))
    throw invalid('mark', 'path', 'absolute, without a zero byte', path)
  return { type: 'mark', kind, path, ...rest }
}

function optionalReads(map: WireMap): { reads?: boolean } {
  if (map.reads === undefined || map.reads === null) return {}
  if (typeof map.reads === 'boolean') return { reads: map.reads }
  throw invalid('mark', 'reads', 'true or false', map.reads)
}

function markKind(map: WireMap): MarkKind {
  if (map.kind === 'filesystem' || map.kind === 'mount') return map.kind
  throw invalid(map.type, 'kind', '"filesystem" or "mount"', map.kind)
}

function entries(map: WireMap): Access[] {
  if (!Array.isArray(map.entries)) throw invalid('accesses', 'entries', 'an array', map.entries)
  return map.entries.map(entry)
}

const ENTRY_ELEMENTS = 7

function entry(value: unknown, index: number): Access {
  const where = `entries[${index}]`
  if (!Array.isArray(value) || value.length < ENTRY_ELEMENTS)
    throw invalid('accesses', where, `an array of ${ENTRY_ELEMENTS}`, value)
  const [path, kinds, pid, elapsedMicroseconds, phase, sizeBytes, command] = value
  return {
    path: Buffer.from(bytes('accesses', `${where}.path`, path, PATH_BYTES_MAX)),
    kinds: integer('accesses', `${where}.kinds`, kinds, 1, 0xffff),
    pid: integer('accesses', `${where}.pid`, pid, 0, 0x7fffffff),
    elapsedMicroseconds: integer(
      'accesses',
      `${where}.elapsedMicroseconds`,
      elapsedMicroseconds,
      -Number.MAX_SAFE_INTEGER,
    ),
    phase: integer('accesses', `${where}.phase`, phase, PHASE.create, PHASE.run) as Phase,
    sizeBytes: integer('accesses', `${where}.sizeBytes`, sizeBytes),
    command:
      command === null
        ? null
        : Buffer.from(bytes('accesses', `${where}.command`, command, COMMAND_BYTES_MAX)),
  }
}

function counters(map: WireMap): Counters {
  const value = map.counters
  if (!isPlainMap(value)) throw invalid(map.type, 'counters', 'a map', value)
  const result = {} as Counters
  for (const name of COUNTER_NAMES) result[name] = integer(map.type, `counters.${name}`, value[name])
  return result
}

function errorMessage(map: WireMap): ErrorMessage {
  const message: ErrorMessage = {
    type: 'error',
    code: text(map, 'code'),
    stage: text(map, 'stage'),
    message: text(map, 'message'),
  }
  if (map.errno !== undefined && map.errno !== null)
    message.errno = integer('error', 'errno', map.errno, 0, 0xffff)
  return message
}

function text(map: WireMap, field: string): string {
  const value = map[field]
  if (typeof value === 'string' && value.length <= TEXT_CHARACTERS_MAX) return value
  throw invalid(map.type, field, `a string of at most ${TEXT_CHARACTERS_MAX} characters`, value)
}

function count(map: WireMap, field: string): number {
  return integer(map.type, field, map[field])
}

function integer(
  type: string,
  field: string,
  value: unknown,
  min = 0,
  max = Number.MAX_SAFE_INTEGER,
): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max) return value
  throw invalid(type, field, `an integer from ${min} to ${max}`, value)
}

function bytes(type: string, field: string, value: unknown, bytesMax: number): Buffer {
  if (Buffer.isBuffer(value) && value.length > 0 && value.length <= bytesMax) return value
  throw invalid(type, field, `1 to ${bytesMax} bytes`, value)
}

function invalid(type: string, field: string, expected: string, received: unknown): MessageError {
  // Nothing of the value itself is asked: a map may hold anything under `constructor`.
  const shown = typeof received === 'object' ? Object.prototype.toString.call(received) : String(received)
  return new MessageError(
    'MESSAGE_INVALID',
    `message "${type.slice(0, 64)}": ${field} must be ${expected}, not ${shown.slice(0, 64)}`,
  )
}
