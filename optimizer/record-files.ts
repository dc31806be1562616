/** Records in files: those that are worked with, and those that come of it. */
import { readFileSync } from 'node:fs'
import { messageOf, PreconditionError } from '../shared/errors.ts'
import { type AccessRecord, formatRecord, parseRecord, RecordError } from '../shared/record.ts'
import { digestOf } from './image/digest.ts'
import { writeRecordFile } from './recording.ts'

export interface RecordFile {
  /** As it was named. */
  file: string
  /** sha256 of its bytes. */
  digest: string
  record: AccessRecord
}

/** @throws {PreconditionError} FILE_UNREADABLE, or what is wrong with it: RECORD_MALFORMED, RECORD_VERSION_UNSUPPORTED */
export function readRecordFile(file: string): RecordFile {
  const bytes = contentOf(file)
  try {
    return { file, digest: digestOf(bytes), record: parseRecord(bytes.toString('utf8')) }
  } catch (cause) {
    if (!(cause instanceof RecordError)) throw cause
    throw new PreconditionError(cause.code, `${file}: ${cause.message}`, { cause })
  }
}

function contentOf(file: string): Buffer {
  try {
    return readFileSync(file)
  } catch (cause) {
    throw new PreconditionError('FILE_UNREADABLE', `cannot read the record ${file}: ${messageOf(cause)}`, {
      cause,
    })
  }
}

/**
 * @param result what is told of it on stdout; null: the record itself is the result where it goes to no file
 * @returns the whole of stdout
 */
export function writeResultRecord(
  record: AccessRecord,
  recordOut: string | null,
  result: object | null,
): string {
  if (recordOut !== null) writeRecordFile(recordOut, record)
  if (result !== null) return `${JSON.stringify(result, null, 2)}\n`
  return recordOut === null ? formatRecord(record) : ''
}
