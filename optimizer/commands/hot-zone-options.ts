/** How much comes first, as options of every command that orders layers by a record or a list. */
import type { Argv } from 'yargs'
import { cleanPattern } from '../order/prefetch-list.ts'
import type { HotZoneLimits } from '../plan/limits.ts'
import type { Arguments } from './command.ts'
import { repeated, single } from './common-options.ts'
import { bitRate, contradiction, durationSeconds, invalidOption } from './values.ts'

const group = 'Order:'

export function addHotZoneOptions(yargs: Argv): Argv {
  return yargs
    .option('prefetch-budget', {
      group,
      type: 'string',
      describe:
        'most compressed bytes before the landmarks of all layers, 40MiB or 5s@100Mbit; what is wanted later is cut',
    })
    .option('exclude', {
      group,
      type: 'string',
      array: true,
      describe: 'glob of what does not come first, whatever record or list name it (repeatable)',
    })
}

/** @throws {UsageError} */
export function hotZoneLimits(argv: Arguments): HotZoneLimits {
  const budget = single(argv, 'prefetch-budget')
  const limits = {
    excluded: repeated(argv, 'exclude').map(exclusion),
    budgetBytes: budget === undefined ? null : budgetBytes(budget),
  }
  const given = budget === undefined ? (limits.excluded.length > 0 ? 'exclude' : null) : 'prefetch-budget'
  const keeps = argv['no-optimize'] === true ? 'no-optimize' : argv.uncompress === true ? 'uncompress' : null
  if (given !== null && keeps !== null)
    throw contradiction(
      `--${keeps} keeps the source order, --${given} is about another one: leave one of them out`,
    )
  return limits
}

/** @throws {UsageError} where they would do nothing */
export function requireOrderToLimit({ excluded, budgetBytes }: HotZoneLimits, ordered: boolean): void {
  if (ordered || (excluded.length === 0 && budgetBytes === null)) return
  const given = budgetBytes === null ? 'exclude' : 'prefetch-budget'
  throw contradiction(
    `--${given} bounds what comes first, and nothing does without a record or a list: name one (--record-in, --prefetch-list)`,
  )
}

function exclusion(text: string): string {
  const pattern = cleanPattern(text)
  if (pattern !== '') return pattern
  throw invalidOption('exclude', text, 'write a glob such as usr/share/** or **/*.pyc')
}

const SIZE_UNITS: Record<string, number> = { '': 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 }

/** `40MiB`, or what a link brings in a time: `5s@100Mbit`. */
function budgetBytes(text: string): number {
  const size = /^(\d+(?:\.\d+)?)(KiB|MiB|GiB|)$/.exec(text.trim())
  const timed = /^([^@]+)@([^@]+)$/.exec(text.trim())
  let bytes = Number.NaN
  if (size !== null) bytes = Number(size[1]) * (SIZE_UNITS[size[2] as string] as number)
  else if (timed !== null) {
    const seconds = durationSeconds('prefetch-budget', timed[1] as string)
    bytes = (seconds * (bitRate(timed[2] as string) ?? Number.NaN)) / 8
  }
  if (bytes >= 1 && bytes <= Number.MAX_SAFE_INTEGER) return Math.floor(bytes)
  throw invalidOption(
    'prefetch-budget',
    text,
    'write a size such as 40MiB, or a time at a rate such as 5s@100Mbit (Kbit, Mbit, Gbit a second)',
  )
}
