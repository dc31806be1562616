/**
 * The model of the lazily pulling client beside stored rows of measured starts.
 *
 *   npm run --silent bench:model -- [FOLDER]
 *
 * FOLDER: what `npm run bench:start -- --rows-out FOLDER` has written; the repository's own rows where it is not given.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { formatTable } from '../optimizer/table.ts'
import { type PredictedRow, predictedRow } from './predicted-rows.ts'
import { readStarts } from './stored-starts.ts'

const OWN_ROWS = fileURLToPath(new URL('../../test/fixtures/starts', import.meta.url))

const folder = process.argv[2] ?? OWN_ROWS
const head = [
  'image, row, link',
  'pull s',
  'model',
  'run s',
  'model',
  'total s',
  'model',
  'off',
  'wire MB',
  'model',
  'off',
  'requests',
  'model',
]
const rows: string[][] = []
for (const file of readdirSync(folder).sort()) {
  const stored = readStarts(readFileSync(join(folder, file), 'utf8'))
  for (const row of stored.rows)
    for (const link of Object.keys(row.measured))
      rows.push([`${stored.image}, ${row.id}, ${link}`, ...cells(predictedRow(stored, row, link))])
}
process.stdout.write(`${formatTable(head, rows).join('\n')}\n`)

function cells({ predicted, measured, errors }: PredictedRow): string[] {
  const seconds = (['pullSeconds', 'runSeconds', 'totalSeconds'] as const).flatMap((key) => [
    measured[key].toFixed(2),
    predicted[key].toFixed(2),
  ])
  const off = (error: number) => `${error < 0 ? '' : '+'}${(error * 100).toFixed(1)} %`
  const megabytes = (bytes: number) => (bytes / 1e6).toFixed(2)
  return [
    ...seconds,
    off(errors.totalSeconds),
    ...[megabytes(measured.wireBytes), megabytes(predicted.wireBytes), off(errors.wireBytes)],
    ...[String(measured.requests), String(predicted.requests)],
  ]
}
