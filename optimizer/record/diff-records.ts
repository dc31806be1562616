/** What two records have in common: which files, and in which order. */
import type { AccessRecord } from '../../shared/record.ts'

export const RECORDS_DIFF_SCHEMA_VERSION = 1

/** What `optimizer records diff --json` prints. */
export interface RecordsDiff {
  schemaVersion: typeof RECORDS_DIFF_SCHEMA_VERSION
  /** Of one manifest: files are told apart by layer and path; otherwise by path alone. */
  sameImage: boolean
  /** Nothing is in one of them alone, and the order is the same where it was asked for. */
  equal: boolean
  /** In the order of their record. */
  onlyFirst: DiffedFile[]
  onlySecond: DiffedFile[]
  /** How many files both have. */
  both: number
  /** Of these. */
  order: {
    same: boolean
    /** Share of their pairs that stand in the same order in both, 0 to 1; 1 where there are no pairs. */
    agreement: number
    /** Where they part: what stands there in each. */
    firstDifference: { position: number; first: string; second: string } | null
  }
}

export interface DiffedFile {
  /** Bytes that are not UTF-8 appear as U+FFFD. */
  path: string
  layerIndex: number | null
  sizeBytes: number
}

/** @param ignoreOrder records of the same files are equal */
export function diffRecords(first: AccessRecord, second: AccessRecord, ignoreOrder = false): RecordsDiff {
  const sameImage =
    first.header.image !== null && first.header.image.manifestDigest === second.header.image?.manifestDigest
  const [left, right] = [filesOf(first, sameImage), filesOf(second, sameImage)]
  const common = [...left.keys()].filter((key) => right.has(key))
  const commonRight = [...right.keys()].filter((key) => left.has(key))
  const onlyFirst = [...left].flatMap(([key, file]) => (right.has(key) ? [] : [file]))
  const onlySecond = [...right].flatMap(([key, file]) => (left.has(key) ? [] : [file]))
  const position = common.findIndex((key, index) => key !== commonRight[index])
  const pathAt = (keys: readonly string[]) => left.get(keys[position] as string)?.path ?? ''
  const same = position < 0
  return {
    schemaVersion: RECORDS_DIFF_SCHEMA_VERSION,
    sameImage,
    equal: onlyFirst.length === 0 && onlySecond.length === 0 && (same || ignoreOrder),
    onlyFirst,
    onlySecond,
    both: common.length,
    order: {
      same,
      agreement: agreement(common, commonRight),
      firstDifference: same ? null : { position, first: pathAt(common), second: pathAt(commonRight) },
    },
  }
}

/** Each once, in the order of first accesses. */
function filesOf({ entries }: AccessRecord, byLayer: boolean): Map<string, DiffedFile> {
  const files = new Map<string, DiffedFile>()
  for (const { path, layerIndex, sizeBytes } of entries) {
    const key = `${byLayer ? layerIndex : ''} ${path.toString('latin1')}`
    if (!files.has(key)) files.set(key, { path: path.toString(), layerIndex, sizeBytes })
  }
  return files
}

/** Kendall's way of comparing orders. */
function agreement(left: readonly string[], right: readonly string[]): number {
  const places = new Map(right.map((key, index) => [key, index]))
  const pairs = (left.length * (left.length - 1)) / 2
  if (pairs === 0) return 1
  return 1 - inversions(left.map((key) => places.get(key) as number)).count / pairs
}

/** Pairs that stand the wrong way round; by sorting, for records of many thousand files. */
function inversions(numbers: readonly number[]): { count: number; sorted: readonly number[] } {
  if (numbers.length < 2) return { count: 0, sorted: numbers }
  const middle = numbers.length >> 1
  const left = inversions(numbers.slice(0, middle))
  const right = inversions(numbers.slice(middle))
  let count = left.count + right.count
  const sorted: number[] = []
  let [i, j] = [0, 0]
  while (i < left.sorted.length || j < right.sorted.length) {
    const [a = Number.POSITIVE_INFINITY, b = Number.POSITIVE_INFINITY] = [left.sorted[i], right.sorted[j]]
    if (a < b) i++
    else {
      j++
      count += left.sorted.length - i
    }
    sorted.push(Math.min(a, b))
  }
  return { count, sorted }
}
