/** Records to and from the words of other programs: two of the actions of `optimizer records`. */
import { UsageError } from '../../shared/errors.ts'
import { printableName } from '../../shared/text.ts'
import { parseLocation } from '../image/location.ts'
import { EXPORT_FORMATS } from '../record/export-record.ts'
import { IMPORT_FORMATS } from '../record/foreign-access.ts'
import type { Arguments, CommandContext } from './command.ts'
import { containerdOptions, platformOption, single } from './common-options.ts'
import { spaceOptions } from './space-options.ts'
import { inputFile, oneOf, outputFile } from './values.ts'

export const FORMATS_TEXT = `export: ${EXPORT_FORMATS.join(', ')}; import: ${IMPORT_FORMATS.join(', ')}`

function formatOption<T extends string>(argv: Arguments, allowed: readonly T[]): T {
  const text = single(argv, 'format')
  if (text === undefined)
    throw new UsageError('ARGUMENT_INVALID', `--format is missing: write one of ${allowed.join(', ')}`)
  return oneOf('format', text, allowed)
}

export async function exportAction(
  [file = '']: readonly string[],
  argv: Arguments,
  { console }: CommandContext,
): Promise<string> {
  const format = formatOption(argv, EXPORT_FORMATS)
  const [{ exportRecord }, { readRecordFile }] = await Promise.all([
    import('../record/export-record.ts'),
    import('../record-files.ts'),
  ])
  const { text, files, leftOut, cut } = exportRecord(readRecordFile(file).record, format)
  const unfit = leftOut.length - cut
  if (unfit > 0)
    console.warn(`${unfit} paths cannot be written in this format: ${printableName(leftOut[0] ?? '')}, …`)
  if (cut > 0)
    console.warn(
      `${cut} paths are left out at the end, because ${format} reads no larger list: from ${printableName(leftOut[unfit] ?? '')} on`,
    )
  if (argv.json !== true) return text
  return `${JSON.stringify({ schemaVersion: 1, format, files, leftOut, cut, text }, null, 2)}\n`
}

export async function importAction(
  [file = '', image = '']: readonly string[],
  argv: Arguments,
  context: CommandContext,
): Promise<string> {
  const recordOut = recordOutOf(argv)
  const request = {
    file,
    text: inputFile('subject', file),
    format: formatOption(argv, IMPORT_FORMATS),
    image: parseLocation('subject', image),
    platform: platformOption(argv),
    containerd: containerdOptions(argv),
    space: spaceOptions(argv, 0).space,
  }
  const [{ importFrom }, { writeResultRecord }] = await Promise.all([
    import('../import-record.ts'),
    import('../record-files.ts'),
  ])
  const record = await importFrom(request, context)
  const { outsideLayers, unresolved } = record.header.counters
  const unknown = unresolved === 0 ? '' : `, ${unresolved} whose path cannot be told`
  context.console.info(`${record.entries.length} files of the image, ${outsideLayers} outside it${unknown}`)
  const result = { schemaVersion: 1, recordOut, files: record.entries.length, outsideLayers, unresolved }
  return writeResultRecord(record, recordOut, argv.json === true ? result : null)
}

export function recordOutOf(argv: Arguments): string | null {
  const text = single(argv, 'record-out')
  return text === undefined || text === '-' ? null : outputFile('record-out', text)
}
