/**
 * Sparse files in their four spellings: GNU type S, and the pax forms 0.0, 0.1 and 1.0. All come down to data runs,
 * whose bytes are stored one after the other.
 *
 * @see GNU tar manual, "Storing Sparse Files"
 */
import { TarFormatError } from './errors.ts'
import { BLOCK_BYTES, numberField } from './header.ts'
import { type PaxRecord, paxInteger } from './pax.ts'

/** A data run: where it goes in the file and how long it is. */
export interface SparseRun {
  offset: number
  bytes: number
}

export const SPARSE_PREFIX = 'GNU.sparse.'

const RUN_FIELD_BYTES = 12
const HEADER_RUNS = { start: 386, count: 4, more: 482 }
const EXTENSION_RUNS = { start: 0, count: 21, more: 504 }
/** As for extension records: a map longer than this is no real file's. */
const MAP_BYTES_MAX = 1024 * 1024

/** GNU type S: the map's first runs lie in the header, the rest in blocks that follow. */
export class GnuSparseMap {
  readonly runs: SparseRun[] = []
  readonly sizeBytes: number
  more: boolean
  #blocks = 0

  constructor(header: Buffer, offset: number) {
    this.sizeBytes = numberField(header, 483, 495, 'realsize', offset)
    this.more = this.#take(header, HEADER_RUNS, offset)
  }

  /** An extension block. */
  push(block: Buffer, offset: number): void {
    if (++this.#blocks * BLOCK_BYTES > MAP_BYTES_MAX) throw mapTooLong(offset)
    this.more = this.#take(block, EXTENSION_RUNS, offset)
  }

  #take(block: Buffer, at: typeof HEADER_RUNS, offset: number): boolean {
    for (let i = 0; i < at.count; i++) {
      const start = at.start + i * 2 * RUN_FIELD_BYTES
      if (block[start] === 0) break
      const middle = start + RUN_FIELD_BYTES
      this.runs.push({
        offset: numberField(block, start, middle, 'sparse offset', offset),
        bytes: numberField(block, middle, middle + RUN_FIELD_BYTES, 'sparse length', offset),
      })
    }
    return block[at.more] !== 0
  }
}

/** What a pax header says about a sparse file; `runs` is undefined in form 1.0, whose map leads the payload. */
export interface PaxSparse {
  name: Buffer | undefined
  sizeBytes: number
  runs: SparseRun[] | undefined
}

/** @returns undefined when the records are not those of a sparse file. @throws {TarFormatError} */
export function paxSparse(records: readonly PaxRecord[], offset: number): PaxSparse | undefined {
  const last = new Map(records.map((record) => [record.key, record]))
  const text = (key: string) => last.get(`${SPARSE_PREFIX}${key}`)?.value.toString('latin1')
  const version = `${text('major') ?? '0'}.${text('minor') ?? '0'}`
  const runs = paxRuns(records, offset)
  if (version === '0.0' || version === '0.1') {
    if (runs === undefined) return undefined
  } else if (version !== '1.0') {
    throw new TarFormatError(offset, `the sparse format ${version.slice(0, 20)} is unknown`)
  }
  const size = last.get(`${SPARSE_PREFIX}realsize`) ?? last.get(`${SPARSE_PREFIX}size`)
  if (size === undefined) throw new TarFormatError(offset, 'a sparse file has no size')
  return {
    name: last.get(`${SPARSE_PREFIX}name`)?.value,
    sizeBytes: paxInteger(size, offset),
    runs: version === '1.0' ? undefined : runs,
  }
}

/** The map of forms 0.0 (repeated records) and 0.1 (one list). */
function paxRuns(records: readonly PaxRecord[], offset: number): SparseRun[] | undefined {
  const list = records.findLast(({ key }) => key === `${SPARSE_PREFIX}map`)?.value.toString('latin1')
  const numbers = list !== undefined ? listNumbers(list, offset) : repeatedNumbers(records, offset)
  return numbers === undefined ? undefined : pairs(numbers, offset)
}

function listNumbers(list: string, offset: number): number[] {
  return list === '' ? [] : list.split(',').map((text) => decimal(text, offset))
}

function repeatedNumbers(records: readonly PaxRecord[], offset: number): number[] | undefined {
  const numbers: number[] = []
  let seen = false
  for (const { key, value } of records) {
    if (key === `${SPARSE_PREFIX}numblocks`) seen = true
    const isOffset = key === `${SPARSE_PREFIX}offset`
    if (!isOffset && key !== `${SPARSE_PREFIX}numbytes`) continue
    if (isOffset !== (numbers.length % 2 === 0))
      throw new TarFormatError(offset, 'a sparse map is out of step')
    numbers.push(decimal(value.toString('latin1'), offset))
    seen = true
  }
  return seen ? numbers : undefined
}

/** Form 1.0: decimal lines in whole blocks at the start of the payload: count, then offset and length of each run. */
export class LeadingSparseMap {
  readonly #lines: string[] = []
  #unfinished = ''
  #blocks = 0

  /** Takes a block; the runs once the map is complete. */
  push(block: Buffer, offset: number): SparseRun[] | undefined {
    if (++this.#blocks * BLOCK_BYTES > MAP_BYTES_MAX) throw mapTooLong(offset)
    const pieces = (this.#unfinished + block.toString('latin1')).split('\n')
    this.#unfinished = pieces.pop() as string
    for (const piece of pieces) this.#lines.push(piece)
    const count = this.#lines[0]
    if (count === undefined) return undefined
    const numbers = 2 * decimal(count, offset)
    if (this.#lines.length < 1 + numbers) return undefined
    return pairs(
      this.#lines.slice(1, 1 + numbers).map((line) => decimal(line, offset)),
      offset,
    )
  }

  get bytes(): number {
    return this.#blocks * BLOCK_BYTES
  }
}

function pairs(numbers: readonly number[], offset: number): SparseRun[] {
  if (numbers.length % 2 !== 0) throw new TarFormatError(offset, 'a sparse map is out of step')
  const runs: SparseRun[] = []
  for (let i = 0; i < numbers.length; i += 2) {
    runs.push({ offset: numbers[i] as number, bytes: numbers[i + 1] as number })
  }
  return runs
}

/** Runs in order, apart, inside the file, and together as long as what is stored. @throws {TarFormatError} */
export function requireSoundRuns(
  runs: readonly SparseRun[],
  sizeBytes: number,
  storedBytes: number,
  offset: number,
): void {
  let end = 0
  let sum = 0
  for (const run of runs) {
    if (run.offset < end || run.bytes < 0)
      throw new TarFormatError(offset, 'the runs of a sparse file overlap')
    end = run.offset + run.bytes
    sum += run.bytes
  }
  if (sizeBytes < 0 || end > sizeBytes)
    throw new TarFormatError(offset, 'a sparse file is longer than its size')
  if (sum !== storedBytes) {
    throw new TarFormatError(offset, `a sparse file maps ${sum} bytes but stores ${storedBytes}`)
  }
}

function decimal(text: string, offset: number): number {
  const value = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN
  if (!Number.isSafeInteger(value)) throw new TarFormatError(offset, 'a sparse map holds no number')
  return value
}

function mapTooLong(offset: number): TarFormatError {
  return new TarFormatError(offset, `a sparse map is longer than ${MAP_BYTES_MAX} bytes`)
}
