/**
 * Records of a pax extended header: `<length> <key>=<value>\n`. Values are bytes, whatever the specification says
 * about UTF-8: extended attributes are binary.
 *
 * @see POSIX.1-2017, pax, "pax Extended Header"
 */
import { TarFormatError } from './errors.ts'

export interface PaxRecord {
  key: string
  value: Buffer
}

export const XATTR_PREFIX = 'SCHILY.xattr.'

/** Keys whose values name something: a NUL in them would cut the name short somewhere. */
const NAME_KEYS = new Set(['path', 'linkpath', 'uname', 'gname'])

const LENGTH_DIGITS_MAX = 10

/** @throws {TarFormatError} */
export function parsePaxRecords(data: Buffer, offset: number): PaxRecord[] {
  const records: PaxRecord[] = []
  for (let at = 0; at < data.length; ) {
    const space = data.indexOf(0x20, at)
    const digits = space < 0 ? '' : data.toString('latin1', at, Math.min(space, at + LENGTH_DIGITS_MAX + 1))
    const length = /^\d{1,10}$/.test(digits) ? Number(digits) : 0
    const end = at + length
    const equals = data.indexOf(0x3d, space)
    if (length === 0 || end > data.length || data[end - 1] !== 0x0a || equals < 0 || equals >= end - 1) {
      throw new TarFormatError(offset, 'a pax record is malformed')
    }
    const record = {
      key: data.toString('utf8', space + 1, equals),
      value: Buffer.from(data.subarray(equals + 1, end - 1)),
    }
    requireValid(record, offset)
    records.push(record)
    at = end
  }
  return records
}

function requireValid({ key, value }: PaxRecord, offset: number): void {
  const named = NAME_KEYS.has(key)
  if (key === '' || key.includes('\0') || (named && value.includes(0))) {
    throw new TarFormatError(
      offset,
      `the pax record ${JSON.stringify(key.slice(0, 100))} holds a NUL or no key`,
    )
  }
}

export function formatPaxRecords(records: readonly PaxRecord[]): Buffer {
  return Buffer.concat(records.map(formatPaxRecord))
}

function formatPaxRecord({ key, value }: PaxRecord): Buffer {
  const rest = Buffer.concat([Buffer.from(` ${key}=`), value, Buffer.from('\n')])
  // The length counts its own digits: one more digit may make it longer by one.
  let length = rest.length + String(rest.length).length
  length = rest.length + String(length).length
  return Buffer.concat([Buffer.from(String(length)), rest])
}

/** An integer in decimal. @throws {TarFormatError} */
export function paxInteger({ key, value }: PaxRecord, offset: number): number {
  const text = value.toString('latin1')
  const number = /^-?\d+$/.test(text) ? Number(text) : Number.NaN
  if (!Number.isSafeInteger(number)) {
    throw new TarFormatError(
      offset,
      `the pax record ${key} is no integer in range: ${JSON.stringify(text.slice(0, 40))}`,
    )
  }
  return number
}

const NANOSECONDS = 1_000_000_000n
/** Beyond the year 292 billion nothing was modified; keeps the arithmetic small. */
const SECONDS_DIGITS_MAX = 19

/** Seconds with a fraction, cut after nanoseconds, as nanoseconds. @throws {TarFormatError} */
export function paxTimeNanoseconds({ key, value }: PaxRecord, offset: number): bigint {
  const match = /^(-?)(\d+)(?:\.(\d*))?$/.exec(value.toString('latin1'))
  if (!match || (match[2] as string).length > SECONDS_DIGITS_MAX) {
    throw new TarFormatError(offset, `the pax record ${key} is no time`)
  }
  const fraction = (match[3] ?? '').slice(0, 9).padEnd(9, '0')
  const magnitude = BigInt(match[2] as string) * NANOSECONDS + BigInt(fraction)
  return match[1] === '-' ? -magnitude : magnitude
}
