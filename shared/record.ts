/**
 * The record: what a workload read, in order of first access. JSON lines: a header, then a line per file.
 * The file is the contract between a recording and a conversion; docs/record.md is its text.
 */
import { isUtf8 } from 'node:buffer'
import { messageOf, PreconditionError } from './errors.ts'
import type { Counters, MarkKind } from './messages.ts'
import { HeaderFieldError, headerFromJson } from './record-header.ts'

export const RECORD_SCHEMA_VERSION = 1

const KIND_NAMES = ['open', 'exec', 'read', 'copy-up'] as const

/** First line of a record file. Image fields are null where no image was involved (stand-alone notifier). */
export interface RecordHeader {
  schemaVersion: number
  /** Program and version that wrote the record. */
  recordedBy: string
  image: RecordedImage | null
  workload: { args: string[]; envNames: string[]; cwd: string; user: string }
  kernel: string
  mark: { kind: MarkKind; reason: string }
  /** Whether reading was watched too: only then do kinds tell `read` from opened or mapped. */
  reads: boolean
  stop: RecordedStop
  /** What was done to the workload once it was ready, in this order; absent where nothing was. */
  drive?: DrivenStep[]
  /**
   * Each of several workloads that were run one after the other, in this order; absent where there was one. The
   * fields around it are then the first's, but for the counters, `durationSeconds` and `complete`, which are of all.
   */
  workloads?: RecordedWorkload[]
  /** Of a record that is made of several, in their order; absent otherwise. */
  sources?: RecordSource[]
  /** Of a record that was carried over to another image, the one it was made of; absent otherwise. */
  rebasedFrom?: RecordedImage
  /** RFC 3339. */
  started: string
  durationSeconds: number
  /** Exit status of the workload as a shell shows it (128 + signal), or null when it could not be learned. */
  exitStatus: number | null
  counters: RecordCounters
  /** True only when no access is known to be missing. */
  complete: boolean
  /** Why `complete` is false; empty otherwise. */
  incompleteReasons: string[]
}

export interface RecordedStop {
  /** `exit`, or the option whose rule ended the run. */
  rule: string
  /** In words. */
  reason: string
  /** Seconds from the start until every ready rule was met; null without such rules, and when it never was. */
  readySeconds: number | null
}

export interface RecordedWorkload {
  name: string
  args: string[]
  stop: RecordedStop
  /** As that of a record of one workload. */
  drive?: DrivenStep[]
  started: string
  durationSeconds: number
  exitStatus: number | null
  /** Of the image, that it has read; each counted once. */
  files: number
}

/** A record that another one is made of. */
export interface RecordSource {
  /** Where it was read from, as it was named. */
  file: string
  /** sha256 of the file, with its algorithm. */
  digest: string
  args: string[]
  started: string
  durationSeconds: number
  /** Of the image, that it names; each counted once. */
  files: number
  /** What it counts beside the others. */
  weight: number
  complete: boolean
}

/**
 * A command that was run in the container, or a request (`GET http://localhost/`, without its body), and its exit
 * status or HTTP status; null where it had none.
 */
export type DrivenStep = { exec: string[]; status: number | null } | { http: string; status: number | null }

export interface RecordedImage {
  reference: string
  manifestDigest: string
  /** os/architecture[/variant] */
  platform: string
}

export interface RecordCounters extends Counters {
  /** Entries that arrived at the optimizer. */
  received: number
  /** Accessed files that are in no layer: made at run time, mount points of the runtime. */
  outsideLayers: number
  /** Of those, the ones that the run has left in its writable layer; null where that cannot be looked at. */
  madeAtRunTime: number | null
  /** Files of the image that were read by being copied up (chmod, rename, …), and opened by nobody. */
  copiedUp: number
  /** Entries whose first reader was a command of --ready-exec. */
  byProbe: number
  /** Entries of phase create that were left out as asked for. */
  createLeftOut: number
}

/** One accessed file. */
export interface RecordEntry {
  /** Path inside the image without leading slash, exact bytes. */
  path: Buffer
  manifestDigest: string | null
  /** Position in the manifest, 0 = lowest; null where no image was involved. */
  layerIndex: number | null
  layerDigest: string | null
  phase: 'create' | 'run'
  kinds: RecordedKind[]
  /** Microseconds since the workload's start; negative before it. */
  firstAccessMicroseconds: number
  sizeBytes: number
  pid: number
  command: Buffer | null
  /** True where the first reader was a command of --ready-exec; the workload may have read it after that. */
  probe?: true
  /** Name of the first workload that has read it; absent where there was one workload. Its start is the zero of times. */
  workload?: string
}

/** `copy-up`: read by the kernel to copy it up, opened by nobody. */
export type RecordedKind = (typeof KIND_NAMES)[number]

export interface AccessRecord {
  header: RecordHeader
  entries: RecordEntry[]
}

/** A record file does not hold what it should. Codes: RECORD_MALFORMED, RECORD_VERSION_UNSUPPORTED. */
export class RecordError extends PreconditionError {}

/** When each of several workloads began, in microseconds since the first one's start: they have come one after the other. */
export function workloadBegins({ workloads = [] }: Pick<RecordHeader, 'workloads'>): Map<string, number> {
  const begins = new Map<string, number>()
  let begin = 0
  for (const { name, durationSeconds } of workloads) {
    begins.set(name, begin)
    begin += Math.round(durationSeconds * 1e6)
  }
  return begins
}

/** The record as the text of a file; ends with a newline. */
export function formatRecord(record: AccessRecord): string {
  return [
    JSON.stringify(record.header),
    ...record.entries.map((entry) => JSON.stringify(entryToJson(entry))),
    '',
  ].join('\n')
}

/** Text of bytes for JSON: UTF-8 as it is; else the readable rest and, beside it, the bytes in base64. */
function bytesToJson(name: string, bytes: Buffer): Record<string, string> {
  const text = bytes.toString('utf8')
  return isUtf8(bytes) ? { [name]: text } : { [name]: text, [`${name}Base64`]: bytes.toString('base64') }
}

function bytesFromJson(json: Record<string, unknown>, name: string, line: number): Buffer {
  const base64 = json[`${name}Base64`]
  if (typeof base64 === 'string') return Buffer.from(base64, 'base64')
  const text = json[name]
  if (typeof text === 'string') return Buffer.from(text, 'utf8')
  throw malformed(line, `${name} must be a string`)
}

function entryToJson(entry: RecordEntry): Record<string, unknown> {
  return {
    ...bytesToJson('path', entry.path),
    manifestDigest: entry.manifestDigest,
    layerIndex: entry.layerIndex,
    layerDigest: entry.layerDigest,
    phase: entry.phase,
    kinds: entry.kinds,
    firstAccessMicroseconds: entry.firstAccessMicroseconds,
    sizeBytes: entry.sizeBytes,
    pid: entry.pid,
    ...(entry.command === null ? { command: null } : bytesToJson('command', entry.command)),
    ...(entry.probe ? { probe: true } : {}),
    ...(entry.workload === undefined ? {} : { workload: entry.workload }),
  }
}

/** @throws {RecordError} naming the line */
export function parseRecord(text: string): AccessRecord {
  const lines = text.split('\n')
  const header = parseLine(lines[0] ?? '', 1)
  if (header.schemaVersion !== RECORD_SCHEMA_VERSION) {
    throw new RecordError(
      'RECORD_VERSION_UNSUPPORTED',
      `line 1 of the record: schemaVersion must be ${RECORD_SCHEMA_VERSION}, not ${JSON.stringify(header.schemaVersion) ?? 'absent'}`,
    )
  }
  const entries: RecordEntry[] = []
  for (let index = 1; index < lines.length; index++) {
    const line = lines[index] as string
    if (line !== '') entries.push(entryFromJson(parseLine(line, index + 1), index + 1))
  }
  return { header: checkedHeader(header), entries }
}

function checkedHeader(json: Record<string, unknown>): RecordHeader {
  try {
    return headerFromJson(json)
  } catch (cause) {
    if (cause instanceof HeaderFieldError) throw malformed(1, cause.message)
    throw cause
  }
}

function parseLine(text: string, line: number): Record<string, unknown> {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw new RecordError('RECORD_MALFORMED', `line ${line} of the record is not JSON: ${messageOf(cause)}`, {
      cause,
    })
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw malformed(line, 'must be an object')
  return value as Record<string, unknown>
}

function entryFromJson(json: Record<string, unknown>, line: number): RecordEntry {
  const { kinds, phase } = json
  if (!Array.isArray(kinds) || kinds.some((kind) => !KIND_NAMES.includes(kind)))
    throw malformed(line, `kinds must be an array of ${KIND_NAMES.join(', ')}`)
  if (phase !== 'create' && phase !== 'run') throw malformed(line, 'phase must be "create" or "run"')
  return {
    path: bytesFromJson(json, 'path', line),
    manifestDigest: stringOrNull(json, 'manifestDigest', line),
    layerIndex: json.layerIndex === null ? null : integer(json, 'layerIndex', line, 0),
    layerDigest: stringOrNull(json, 'layerDigest', line),
    phase,
    kinds,
    firstAccessMicroseconds: integer(json, 'firstAccessMicroseconds', line),
    sizeBytes: integer(json, 'sizeBytes', line, 0),
    pid: integer(json, 'pid', line, 0),
    command: json.command === null ? null : bytesFromJson(json, 'command', line),
    ...(json.probe === true ? { probe: true as const } : {}),
    ...(typeof json.workload === 'string' ? { workload: json.workload } : {}),
  }
}

function stringOrNull(json: Record<string, unknown>, name: string, line: number): string | null {
  const value = json[name]
  if (value === null || typeof value === 'string') return value
  throw malformed(line, `${name} must be a string or null`)
}

function integer(
  json: Record<string, unknown>,
  name: string,
  line: number,
  min = Number.MIN_SAFE_INTEGER,
): number {
  const value = json[name]
  // JSON has a -0, which is not written back.
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= min) return value + 0
  throw malformed(line, `${name} must be an integer${min === 0 ? ' of at least 0' : ''}`)
}

function malformed(line: number, what: string): RecordError {
  return new RecordError('RECORD_MALFORMED', `line ${line} of the record: ${what}`)
}
