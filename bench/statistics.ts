/** What the benchmarks compute of their figures. */

export function median(values: number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  const upper = sorted[middle] ?? Number.NaN
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? upper) + upper) / 2
}

export function sum(values: number[]): number {
  return values.reduce((total, value) => total + value, 0)
}

/** The list with another first element each round: nobody always comes after the same neighbour from the start. */
export function rotated<T>(list: T[], round: number): T[] {
  const first = round % list.length
  return [...list.slice(first), ...list.slice(0, first)]
}
