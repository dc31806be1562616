/** The formats of the list. docs/notifier.md describes them for users. */
import { isUtf8 } from 'node:buffer'
import { release } from 'node:os'
import { formatRecord, RECORD_SCHEMA_VERSION, type RecordHeader } from '../../shared/record.ts'
import { formatBytes } from '../../shared/text.ts'
import { directoryTree } from './directory-tree.ts'
import type { FormatName, ListFormat, RunEnd } from './list-format.ts'
import { pathText } from './path-text.ts'
import { chiefKind, kindNames, type SeenAccess, type SeenFile } from './seen-files.ts'

export interface FormatOptions {
  colour: boolean
  /** Paths end with a zero byte. */
  zero: boolean
  /** Name and version of this program. */
  program: string
}

export function listFormat(name: FormatName, options: FormatOptions): ListFormat {
  switch (name) {
    case 'text':
      return { accesses: (accesses) => accesses.map((access) => textLine(access, options.colour)).join('') }
    case 'tree':
      return { end: (_, files) => directoryTree(files) }
    case 'json':
      return jsonLines
    case 'paths':
      return { accesses: (accesses) => pathLines(accesses, options.zero ? 0 : NEWLINE) }
    case 'record':
      return { end: (run, files) => recordText(run, files, options.program) }
  }
}

const NEWLINE = 10

function pathLines(accesses: readonly SeenAccess[], end: number): Buffer {
  return Buffer.concat(accesses.flatMap(({ path, first }) => (first ? [path, Buffer.of(end)] : [])))
}

const DIM = '\x1b[2m'
const GREEN = '\x1b[32m'
const CYAN = '\x1b[36m'
const PLAIN = '\x1b[0m'
const KIND_COLOURS = { exec: GREEN, read: CYAN, open: '' } as const
const PROCESS_COLUMNS = 22

/** `  0.012345  exec  python3[4711]  6.5 MiB  /usr/bin/python3.11` */
function textLine(access: SeenAccess, colour: boolean): string {
  const paint = (text: string, code: string) => (colour && code !== '' ? `${code}${text}${PLAIN}` : text)
  const kind = chiefKind(access.kinds)
  const command = access.command === null ? '?' : pathText(access.command)
  return [
    paint((access.elapsedMicroseconds / 1e6).toFixed(6).padStart(11), DIM),
    paint(kind, KIND_COLOURS[kind]),
    `${command}[${access.pid}]`.padEnd(PROCESS_COLUMNS),
    paint(formatBytes(access.sizeBytes).padStart(10), DIM),
    `${paint(pathText(access.path), KIND_COLOURS[kind])}\n`,
  ].join('  ')
}

const JSON_SCHEMA_VERSION = 1

const jsonLines: ListFormat = {
  begin: ({ identity, pid, started, mounts }) =>
    jsonLine({
      type: 'start',
      schemaVersion: JSON_SCHEMA_VERSION,
      args: identity.args,
      pid,
      started: started.toISOString(),
      mounts: mounts.map(String),
    }),
  accesses: (accesses) =>
    accesses
      .map((access) =>
        jsonLine({
          type: 'access',
          elapsedMicroseconds: access.elapsedMicroseconds,
          kinds: kindNames(access.kinds),
          pid: access.pid,
          ...(access.command === null ? { command: null } : jsonBytes('command', access.command)),
          sizeBytes: access.sizeBytes,
          ...jsonBytes('path', access.path),
          first: access.first,
        }),
      )
      .join(''),
  end: (run, files) =>
    jsonLine({
      type: 'end',
      exitStatus: run.exitStatus,
      signal: run.end.signal,
      reason: run.end.reason,
      durationSeconds: run.durationSeconds,
      files: files.length,
      counters: run.counters,
      complete: run.missing.length === 0,
      incompleteReasons: run.missing,
    }),
}

export function jsonLine(value: Record<string, unknown>): string {
  return `${JSON.stringify(value)}\n`
}

/** As in a record: text, and beside it the bytes in base64 where they are not UTF-8. */
function jsonBytes(name: string, bytes: Buffer): Record<string, string> {
  const text = { [name]: bytes.toString() }
  return isUtf8(bytes) ? text : { ...text, [`${name}Base64`]: bytes.toString('base64') }
}

/** Counters of what only a run of an image has. */
const NO_IMAGE_COUNTERS = { outsideLayers: 0, madeAtRunTime: null, copiedUp: 0, byProbe: 0, createLeftOut: 0 }

function recordText(run: RunEnd, files: readonly SeenFile[], program: string): string {
  const header: RecordHeader = {
    schemaVersion: RECORD_SCHEMA_VERSION,
    recordedBy: program,
    image: null,
    workload: run.identity,
    kernel: release(),
    mark: {
      kind: 'mount',
      reason: `${run.mounts.length === 1 ? 'one mount' : `${run.mounts.length} mounts`} of process ${run.pid}`,
    },
    reads: run.reads,
    stop: { rule: run.end.rule, reason: run.end.reason, readySeconds: null },
    started: run.started.toISOString(),
    durationSeconds: run.durationSeconds,
    exitStatus: run.exitStatus,
    counters: { ...run.counters, received: run.counters.sent, ...NO_IMAGE_COUNTERS },
    complete: run.missing.length === 0,
    incompleteReasons: run.missing,
  }
  const entries = files.map((file) => ({
    path: file.path.subarray(1),
    manifestDigest: null,
    layerIndex: null,
    layerDigest: null,
    phase: 'run' as const,
    kinds: kindNames(file.kinds),
    firstAccessMicroseconds: file.elapsedMicroseconds,
    sizeBytes: file.sizeBytes,
    pid: file.pid,
    command: file.command,
  }))
  return formatRecord({ header, entries })
}
