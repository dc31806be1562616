import type { Argv } from 'yargs'
import { UsageError } from '../../shared/errors.ts'
import { parseLocation } from '../image/location.ts'
import type { Quorum } from '../record/merge-runs.ts'
import type { Arguments, Command, CommandContext, FailedResult } from './command.ts'
import {
  addContainerdOptions,
  addOutputOptions,
  addPlatformOption,
  containerdOptions,
  LOCATION_FORMS,
  platformOption,
  positional,
  repeated,
  single,
} from './common-options.ts'
import { exportAction, FORMATS_TEXT, importAction, recordOutOf } from './records-exchange.ts'
import { addSpaceOptions, spaceOptions } from './space-options.ts'
import { TITLES } from './titles.ts'
import { contradiction, invalidOption, oneOf } from './values.ts'

const ACTIONS = ['merge', 'diff', 'rebase', 'export', 'import'] as const
type Action = (typeof ACTIONS)[number]

/** Options that one of the actions has, beside those of all. */
const OWN_OPTIONS: Record<Action, readonly string[]> = {
  merge: ['quorum', 'weights', 'record-out'],
  diff: ['ignore-order'],
  rebase: ['from', 'record-out', 'platform'],
  export: ['format'],
  import: ['format', 'record-out', 'platform'],
}

/** What the other actions than merge, which takes any number of records, take. */
const SUBJECTS: Record<Exclude<Action, 'merge'>, { count: number; wanted: string }> = {
  diff: { count: 2, wanted: 'two records are compared: optimizer records diff FIRST SECOND' },
  rebase: { count: 2, wanted: 'a record and an image are wanted: optimizer records rebase RECORD IMAGE' },
  export: { count: 1, wanted: 'one record is wanted: optimizer records export RECORD --format FORMAT' },
  import: {
    count: 2,
    wanted: 'a file and an image are wanted: optimizer records import FILE IMAGE --format FORMAT',
  },
}

export const recordsCommand: Command = {
  ...TITLES.records,
  examples: [
    {
      command: 'optimizer records merge a.jsonl b.jsonl c.jsonl --quorum 2 --record-out merged.jsonl',
      describe: 'what at least two of three runs have read, in the order of the medians',
    },
    {
      command: 'optimizer records diff march.jsonl april.jsonl',
      describe: 'whether two runs have read the same files in the same order: exit code 6 where not',
    },
    {
      command:
        'optimizer records rebase python.jsonl oci:python:arm --platform linux/arm64 --record-out arm.jsonl',
      describe: 'the record of one architecture for the image of another',
    },
    {
      command: 'optimizer records export python.jsonl --format soci > prefetch.json',
      describe: 'the same files for another program that fetches ahead',
    },
    {
      command: 'optimizer records import strace.log oci:python --format strace --record-out python.jsonl',
      describe: 'a record of what strace has seen',
    },
  ],
  builder: (yargs) =>
    addOutputOptions(addContainerdOptions(addSpaceOptions(addPlatformOption(addOwnOptions(yargs))))),

  async run(argv, context) {
    const action = oneOf('action', positional(argv, 'action'), ACTIONS)
    const subjects = repeated(argv, 'subject')
    for (const [other, options] of Object.entries(OWN_OPTIONS))
      for (const option of options)
        if (isGiven(argv[option]) && !OWN_OPTIONS[action].includes(option))
          throw contradiction(`--${option} is for records ${other}, not for records ${action}`)
    if (action === 'merge') return await merge(subjects, argv, context)
    const { count, wanted } = SUBJECTS[action]
    if (subjects.length !== count) throw new UsageError('ARGUMENT_INVALID', wanted)
    return await RUN[action](subjects, argv, context)
  },
}

const RUN: Record<
  Exclude<Action, 'merge'>,
  (subjects: readonly string[], argv: Arguments, context: CommandContext) => Promise<string | FailedResult>
> = { diff, rebase, export: exportAction, import: importAction }

function isGiven(value: unknown): boolean {
  return value !== undefined && value !== false
}

function addOwnOptions(yargs: Argv): Argv {
  return yargs
    .positional('action', { type: 'string', choices: ACTIONS, describe: 'what is to be done' })
    .positional('subject', {
      type: 'string',
      array: true,
      describe: `files of records; rebase: one, and import: another program's file, and an image: ${LOCATION_FORMS}`,
    })
    .option('quorum', {
      type: 'string',
      describe: 'merge: how many of the records must name a file, 2 or 50% of their weights',
      defaultDescription: '1',
    })
    .option('weights', {
      type: 'string',
      describe: 'merge: what each record counts, in their order, for example 3,1,1',
      defaultDescription: '1 each',
    })
    .option('ignore-order', {
      type: 'boolean',
      default: false,
      describe: 'diff: records of the same files are equal, whatever their order',
    })
    .option('from', {
      type: 'string',
      describe: "rebase: the record's own image, so that contents are compared and not only sizes",
    })
    .option('format', { type: 'string', describe: FORMATS_TEXT })
    .option('record-out', {
      group: 'Output:',
      type: 'string',
      describe: 'merge, rebase, import: write the record to this file',
      defaultDescription: 'stdout, without --json',
    })
}

async function merge(
  files: readonly string[],
  argv: Arguments,
  { console }: CommandContext,
): Promise<string> {
  const quorum = quorumOf(single(argv, 'quorum') ?? '1', files.length)
  const weights = weightsOf(single(argv, 'weights'), files.length)
  const recordOut = recordOutOf(argv)
  const [{ mergeRuns }, { fileOf }, { readRecordFile, writeResultRecord }] = await Promise.all([
    import('../record/merge-runs.ts'),
    import('../record/merge-workloads.ts'),
    import('../record-files.ts'),
  ])
  const runs = files.map((file, index) => ({ ...readRecordFile(file), weight: weights[index] as number }))
  const record = mergeRuns(runs, quorum)
  const named = new Set(runs.flatMap((run) => run.record.entries.map(fileOf)))
  const kept = new Set(record.entries.map(fileOf))
  console.info(`${kept.size} of ${named.size} files, of ${runs.length} records`)
  const { complete, incompleteReasons, sources = [] } = record.header
  if (!complete) console.warn(`the record is incomplete: ${incompleteReasons.join('; ')}`)
  const result = { schemaVersion: 1, recordOut, files: kept.size, filesOfAll: named.size, complete, sources }
  return writeResultRecord(record, recordOut, argv.json === true ? result : null)
}

async function diff(
  [first = '', second = '']: readonly string[],
  argv: Arguments,
): Promise<string | FailedResult> {
  const [{ diffRecords }, { readRecordFile }, { formatRecordsDiff, recordsDifferError }] = await Promise.all([
    import('../record/diff-records.ts'),
    import('../record-files.ts'),
    import('../record/diff-text.ts'),
  ])
  const records = [readRecordFile(first).record, readRecordFile(second).record] as const
  const ignoreOrder = argv['ignore-order'] === true
  const found = diffRecords(...records, ignoreOrder)
  const output =
    argv.json === true ? `${JSON.stringify(found, null, 2)}\n` : formatRecordsDiff(found, first, second)
  return found.equal ? output : { output, failure: recordsDifferError(found, first, second, ignoreOrder) }
}

async function rebase(
  [file = '', image = '']: readonly string[],
  argv: Arguments,
  context: CommandContext,
): Promise<string> {
  const target = parseLocation('subject', image)
  const from = single(argv, 'from')
  const request = {
    target,
    from: from === undefined ? null : parseLocation('from', from),
    platform: platformOption(argv),
    containerd: containerdOptions(argv),
    space: spaceOptions(argv, 0).space,
  }
  const recordOut = recordOutOf(argv)
  const [{ rebaseTo }, { readRecordFile, writeResultRecord }, { formatMatches, matchCounts }] =
    await Promise.all([
      import('../rebase-record.ts'),
      import('../record-files.ts'),
      import('../record/rebase-text.ts'),
    ])
  const { record } = readRecordFile(file)
  const rebased = await rebaseTo({ ...request, file, record }, context)
  for (const line of formatMatches(rebased.matches)) context.console.info(line)
  const { matches } = rebased
  const result = { schemaVersion: 1, recordOut, counts: matchCounts(matches), matches }
  return writeResultRecord(rebased.record, recordOut, argv.json === true ? result : null)
}

/** `2`, or `50%`. */
function quorumOf(text: string, records: number): Quorum {
  const match = /^(\d+(?:\.\d+)?)(%?)$/.exec(text.trim())
  const value = match === null ? Number.NaN : Number(match[1])
  if (match?.[2] === '%' && value > 0 && value <= 100) return { share: value / 100 }
  if (match?.[2] === '' && Number.isInteger(value) && value >= 1 && value <= records) return { count: value }
  throw invalidOption('quorum', text, `write a number from 1 to ${records}, or a share such as 50%`)
}

function weightsOf(text: string | undefined, records: number): number[] {
  if (text === undefined) return Array.from({ length: records }, () => 1)
  const weights = text
    .split(',')
    .map((part) => (/^\d+(\.\d+)?$/.test(part.trim()) ? Number(part) : Number.NaN))
  if (weights.length === records && weights.every((weight) => weight > 0)) return weights
  throw invalidOption('weights', text, `write a number above 0 for each of the ${records} records, as in 3,1`)
}
