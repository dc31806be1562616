/** A record file of ours, or of the original: JSON lines {path, manifestDigest, layerIndex} without a header. */
import { type AccessRecord, parseRecord, type RecordEntry, RecordError } from '../../shared/record.ts'
import type { Platform } from '../image/platform.ts'
import type { PathKey } from '../tar/entry.ts'
import { cleanPath } from '../tar/path-key.ts'

export interface GivenRecord {
  /** Where it was read from, for messages. */
  file: string
  /** Of `PLATFORM=FILE`, or null. */
  platform: Platform | null
  record: ReadRecord
}

/** What conversion needs of a record, whoever wrote it. */
export interface ReadRecord {
  /** null in the original's form, which has no header. */
  header: AccessRecord['header'] | null
  /** In order of first access. */
  entries: readonly ReadEntry[]
}

export interface ReadEntry {
  path: PathKey
  manifestDigest: string | null
  layerIndex: number | null
  /** In the file, from 1. */
  line: number
  /** The whole line; null in the original's form, which says no more. */
  entry: RecordEntry | null
}

/** @throws {RecordError} naming the line */
export function readRecord(text: string): ReadRecord {
  if (!hasHeader(text)) return { header: null, entries: parsePlainLines(text) }
  const lines = text.split('\n').flatMap((line, index) => (index > 0 && line !== '' ? [index + 1] : []))
  return asRead(parseRecord(text), lines)
}

/** @param lines of each entry in its file; as it is written when absent */
export function asRead({ header, entries }: AccessRecord, lines?: readonly number[]): ReadRecord {
  return {
    header,
    entries: entries.map((entry, index) => ({
      path: entry.path.toString('latin1'),
      manifestDigest: entry.manifestDigest,
      layerIndex: entry.layerIndex,
      line: lines?.[index] ?? index + 2,
      entry,
    })),
  }
}

/** Only a line that has no schema version but a path is a plain one: whatever else is amiss, our parser says best. */
function hasHeader(text: string): boolean {
  try {
    const first = JSON.parse(text.split('\n', 1)[0] ?? '')
    return typeof first?.path !== 'string' || first.schemaVersion !== undefined
  } catch {
    return true
  }
}

function parsePlainLines(text: string): ReadRecord['entries'] {
  return text.split('\n').flatMap((line, index) => {
    if (line.trim() === '') return []
    const { path, manifestDigest, layerIndex } = parsePlain(line, index + 1)
    if (typeof path !== 'string' || path === '') throw malformed(index + 1, 'path must be a string')
    if (manifestDigest !== undefined && typeof manifestDigest !== 'string')
      throw malformed(index + 1, 'manifestDigest must be a string')
    if (layerIndex !== undefined && !(Number.isSafeInteger(layerIndex) && (layerIndex as number) >= 0))
      throw malformed(index + 1, 'layerIndex must be an integer of at least 0')
    return {
      path: cleanPath(Buffer.from(path)),
      manifestDigest: manifestDigest ?? null,
      // As Go writes it: an index of 0 may be left out.
      layerIndex: (layerIndex as number | undefined) ?? 0,
      line: index + 1,
      entry: null,
    }
  })
}

function parsePlain(line: string, number: number): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(line)
    if (typeof value === 'object' && value !== null) return value as Record<string, unknown>
  } catch (cause) {
    throw malformed(number, 'it is not JSON', cause)
  }
  throw malformed(number, 'it must be an object')
}

function malformed(line: number, what: string, cause?: unknown): RecordError {
  return new RecordError('RECORD_MALFORMED', `line ${line} of the record: ${what}`, { cause })
}
