/** What a run of the tests on several machines comes to: a table for README, and what failed or was skipped, by reason. */

/** One line of the matrix. */
export interface MatrixRow {
  /** What ran. */
  what: string
  /** On what, with versions. */
  where: string
  outcome: MatrixOutcome
}

export interface MatrixOutcome {
  passed: number
  /** What failed, and why, a line each; also what could not be begun or did not end. */
  failed: string[]
  /** Why tests were skipped, a line for each of them. */
  skipped: string[]
}

/** From what test/run.ts prints at its end. */
export function outcomeOf(said: string, status: number | null): MatrixOutcome {
  const sums = /^(\d+) passed, (\d+) failed, (\d+) skipped$/m.exec(said)
  const failed = section(said, 'Failed')
  const skipped = section(said, 'Skipped').map(reason)
  if (sums === null) return { passed: 0, failed: [`the tests did not end (status ${status})`], skipped }
  if (status !== 0 && failed.length === 0) failed.push(`the tests ended with status ${status}`)
  return { passed: Number(sums[1]), failed, skipped }
}

/** The last list below such a heading. */
function section(said: string, title: string): string[] {
  const lists = [...said.matchAll(new RegExp(`^${title}:\\n((?:  .+\\n?)+)`, 'gm'))]
  return (lists.at(-1)?.[1] ?? '').split('\n').flatMap((line) => line.trim() || [])
}

/** `file: test: reason`, where the names may have colons as well, and the file never does. */
function reason(line: string): string {
  const [, rest = line] = /^\S+\.test\.js: (.*)$/.exec(line) ?? []
  return rest
}

/** Markdown: the rows as README has them, then what is behind their numbers. */
export function matrixText(rows: readonly MatrixRow[]): string {
  const table = [
    '| what | where | passed | failed | skipped |',
    '| --- | --- | --- | --- | --- |',
    ...rows.map(
      ({ what, where, outcome: { passed, failed, skipped } }) =>
        `| ${what} | ${where} | ${passed} | ${failed.length} | ${skipped.length} |`,
    ),
  ]
  return [
    ...table,
    ...list('Failed:', rows, ({ failed }) => failed),
    ...list('Skipped:', rows, ({ skipped }) => skipped),
    '',
  ].join('\n')
}

/** Each line once, with where it is so. */
function list(
  title: string,
  rows: readonly MatrixRow[],
  linesOf: (outcome: MatrixOutcome) => readonly string[],
): string[] {
  const places = new Map<string, string[]>()
  for (const { what, where, outcome } of rows)
    for (const line of new Set(linesOf(outcome)))
      places.set(line, [...(places.get(line) ?? []), `${what}, ${where}`])
  if (places.size === 0) return []
  const told = [...places].map(([line, all]) => {
    const isEverywhere = all.length === rows.length && rows.length > 1
    return `- ${line} (${isEverywhere ? 'everywhere' : all.join('; ')})`
  })
  return ['', title, '', ...told]
}
