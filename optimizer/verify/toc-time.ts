/** Times as TOCs write them: RFC 3339. */

const PATTERN = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)$/

export interface TocTime {
  nanoseconds: bigint
  /** A fraction is written. */
  hasFraction: boolean
}

/** undefined for what is no time: the 31st of February is none in March. */
export function parseTocTime(text: string): TocTime | undefined {
  const [, whole = '', fraction, zone = ''] = PATTERN.exec(text) ?? []
  const milliseconds = Date.parse(`${whole}${zone}`)
  if (!Number.isSafeInteger(milliseconds)) return undefined
  if (new Date(Date.parse(`${whole}Z`)).toISOString().slice(0, 19) !== whole) return undefined
  const nanoseconds = BigInt(milliseconds) * 1_000_000n + BigInt((fraction ?? '').padEnd(9, '0'))
  return { nanoseconds, hasFraction: fraction !== undefined }
}

/** Whether both are the same time in whatever zone; none is the beginning of 1970, as readers have it. */
export function sameInstant(left: string | undefined, right: string | undefined): boolean {
  const [a, b] = [nanosecondsOf(left), nanosecondsOf(right)]
  return a !== undefined && a === b
}

function nanosecondsOf(text: string | undefined): bigint | undefined {
  return (text ?? '') === '' ? 0n : parseTocTime(text as string)?.nanoseconds
}
