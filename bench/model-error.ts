/**
 * The model of the lazily pulling client beside stored rows of measured starts.
 *
 *   npm run --silent bench:model -- [FOLDER] [--fit | --hold-out IMAGE]
 *
 * FOLDER: what `npm run bench:start -- --rows-out FOLDER` has written; the repository's own rows where it is not given.
 * --fit: the model's times and rates are fitted to these rows, and printed as well. --hold-out: they are fitted to the
 * rows of all other images, and the one that they have not seen is predicted.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { CLIENT, type ClientModel } from '../optimizer/simulate/client-model.ts'
import { formatTable } from '../optimizer/table.ts'
import { CodedError, messageOf, UsageError } from '../shared/errors.ts'
import { runBench } from './command.ts'
import { fittedModel } from './fit-model.ts'
import { type PredictedRow, predictedRow } from './predicted-rows.ts'
import { median } from './statistics.ts'
import { readStarts, type StoredStarts } from './stored-starts.ts'

const OWN_ROWS = fileURLToPath(new URL('../../test/fixtures/starts', import.meta.url))
const HEAD = ['image, row, link', 'pull s', 'model', 'run s', 'model', 'total s', 'model', 'off']
const TRAFFIC_HEAD = ['wire MB', 'model', 'off', 'requests', 'model']

interface Options {
  folder: string
  fit: boolean
  /** An image's kind, or null. */
  heldOut: string | null
}

function readOptions(): Options {
  const options = { fit: { type: 'boolean', default: false }, 'hold-out': { type: 'string' } } as const
  try {
    const { values, positionals } = parseArgs({ options, allowPositionals: true })
    const heldOut = values['hold-out'] ?? null
    if (positionals.length > 1) throw new Error('name one folder')
    if (values.fit && heldOut !== null) throw new Error('--fit and --hold-out contradict')
    return { folder: positionals[0] ?? OWN_ROWS, fit: values.fit, heldOut }
  } catch (cause) {
    if (cause instanceof CodedError) throw cause
    throw new UsageError('OPTION_UNKNOWN', messageOf(cause), { cause })
  }
}

/** Bytes and requests are of the images and were never fitted: a held-out image says nothing new of them. */
function compared({ folder, fit, heldOut }: Options): string {
  const all = readdirSync(folder)
    .sort()
    .map((file) => readStarts(readFileSync(join(folder, file), 'utf8')))
  if (heldOut === null) {
    const client = fit ? fittedModel(all) : CLIENT
    return `${fit ? `${JSON.stringify(client, null, 2)}\n` : ''}${rowsTable(all, client, true)}`
  }
  const shown = all.filter(({ image }) => image === heldOut)
  const others = all.filter(({ image }) => image !== heldOut)
  if (shown.length === 0 || others.length === 0)
    throw new UsageError(
      'OPTION_INVALID',
      `--hold-out ${JSON.stringify(heldOut)}: write one of the images with rows in ${folder} (${all.map(({ image }) => image).join(', ')}); another must be there to fit to`,
    )
  const client = fittedModel(others)
  const errors = rowsOf(shown, client).map(({ row }) => Math.abs(row.errors.totalSeconds))
  return [
    rowsTable(shown, client, false),
    `fitted to ${others.map(({ image }) => image).join(', ')}: at most ${percent(Math.max(...errors))} off, ${percent(median(errors))} in the median\n`,
  ].join('')
}

function rowsOf(starts: readonly StoredStarts[], client: ClientModel): { name: string; row: PredictedRow }[] {
  return starts.flatMap((stored) =>
    stored.rows.flatMap((row) =>
      Object.keys(row.measured).map((link) => ({
        name: `${stored.image}, ${row.id}, ${link}`,
        row: predictedRow(stored, row, link, client),
      })),
    ),
  )
}

function rowsTable(starts: readonly StoredStarts[], client: ClientModel, hasTraffic: boolean): string {
  const rows = rowsOf(starts, client).map(({ name, row }) => [
    name,
    ...timeCells(row),
    ...(hasTraffic ? trafficCells(row) : []),
  ])
  return `${formatTable([...HEAD, ...(hasTraffic ? TRAFFIC_HEAD : [])], rows).join('\n')}\n`
}

function timeCells({ predicted, measured, errors }: PredictedRow): string[] {
  const seconds = (['pullSeconds', 'runSeconds', 'totalSeconds'] as const).flatMap((key) => [
    measured[key].toFixed(2),
    predicted[key].toFixed(2),
  ])
  return [...seconds, signed(errors.totalSeconds)]
}

function trafficCells({ predicted, measured, errors }: PredictedRow): string[] {
  const megabytes = (bytes: number) => (bytes / 1e6).toFixed(2)
  return [
    ...[megabytes(measured.wireBytes), megabytes(predicted.wireBytes), signed(errors.wireBytes)],
    ...[String(measured.requests), String(predicted.requests)],
  ]
}

function signed(error: number): string {
  return `${error < 0 ? '' : '+'}${percent(error)}`
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`
}

await runBench(async () => compared(readOptions()))
