/** What somebody may have meant by a word that nobody knows. */

/** One mistake in as many letters is a slip, more is another word. */
const LETTERS_PER_MISTAKE = 3
const PREFIX_LETTERS_MIN = 3

/** @returns the candidate with the fewest mistakes against `word`, or nothing when all are another word */
export function nearest(word: string, candidates: readonly string[]): string | undefined {
  const allowed = Math.max(1, Math.floor(word.length / LETTERS_PER_MISTAKE))
  const [best] = candidates
    .map((candidate) => ({ candidate, mistakes: mistakesBetween(word, candidate) }))
    .filter(({ mistakes }) => mistakes <= allowed)
    .sort((left, right) => left.mistakes - right.mistakes)
  if (best !== undefined) return best.candidate
  if (word.length < PREFIX_LETTERS_MIN) return undefined
  return candidates.find((candidate) => candidate.startsWith(word) || candidate.endsWith(`-${word}`))
}

/** `: did you mean X?`, or nothing; to be put behind what was wrong. */
export function suggestion(word: string, candidates: readonly string[]): string {
  const found = nearest(word, candidates)
  return found === undefined ? '' : `: did you mean ${found}?`
}

/** Letters added, lost, changed, or swapped with their neighbour (optimal string alignment). */
export function mistakesBetween(left: string, right: string): number {
  const rows: number[][] = [Array.from({ length: right.length + 1 }, (_, index) => index)]
  const at = (row: number, column: number) => rows[row]?.[column] ?? 0
  for (let row = 1; row <= left.length; row++) {
    const current = [row]
    rows.push(current)
    for (let column = 1; column <= right.length; column++) {
      const changed = left[row - 1] === right[column - 1] ? 0 : 1
      const isSwapped = left[row - 1] === right[column - 2] && left[row - 2] === right[column - 1]
      current.push(
        Math.min(
          at(row - 1, column) + 1,
          at(row, column - 1) + 1,
          at(row - 1, column - 1) + changed,
          row > 1 && column > 1 && isSwapped ? at(row - 2, column - 2) + 1 : Number.POSITIVE_INFINITY,
        ),
      )
    }
  }
  return at(left.length, right.length)
}
