/** `--report FILE` of commands that convert: a page of the result beside it. */
import type { Argv } from 'yargs'
import type { ConvertContext, ConvertRequest } from '../convert-only.ts'
import { parsePlatform } from '../image/platform.ts'
import type { GivenRecord } from '../order/record-file.ts'
import type { ConversionResult } from '../result.ts'
import type { Arguments, CommandContext } from './command.ts'
import { containerdOptions, single, tocReferenceOption } from './common-options.ts'
import { outputFile } from './values.ts'

export function addReportOption(yargs: Argv): Argv {
  return yargs.option('report', {
    group: 'Output:',
    type: 'string',
    describe:
      'write a page of what was read and what comes first into this file: HTML that needs nothing else',
  })
}

/**
 * Converts, and writes the page where one is asked for; whether it can be written is looked at before.
 * @throws {UsageError} @throws {PreconditionError} REPORT_NOT_WRITTEN: the new image is there all the same
 */
export async function withReport(
  argv: Arguments,
  { target, output }: Pick<ConvertRequest, 'target' | 'output'>,
  context: CommandContext,
  convert: (told: Pick<ConvertContext, 'onConverted'>) => Promise<ConversionResult>,
): Promise<ConversionResult> {
  const file = single(argv, 'report')
  if (file === undefined) return await convert({})
  const path = outputFile('report', file)
  let records: readonly GivenRecord[] = []
  const result = await convert({
    onConverted: (known) => {
      records = known
    },
  })
  const { writeReport } = await import('../report-file.ts')
  const { conversion, space } = output
  const parts = {
    images: [target],
    ...{ records, recordAnyLayer: argv['record-any-layer'] === true, conversion, space },
    containerd: containerdOptions(argv),
    platform: parsePlatform(result.source.platform),
    tocReference: tocReferenceOption(argv),
    output: path,
  }
  const { report } = await writeReport(parts, context)
  context.console.info(`${report} shows what was read and what comes first`)
  return result
}
