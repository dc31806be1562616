import type { Argv } from 'yargs'
import { UsageError } from '../../shared/errors.ts'
import type { OutputOptions } from '../conversion.ts'
import type { ConvertRequest } from '../convert-only.ts'
import { parseLocation } from '../image/location.ts'
import { formatSummary } from '../summary.ts'
import type { Arguments, Command } from './command.ts'
import {
  addContainerdOptions,
  addOutputOptions,
  containerdOptions,
  LOCATION_FORMS,
  positional,
  SNAPSHOTTER_DEFAULT,
  TARGET_FORMS,
} from './common-options.ts'
import { addConversionOptions, presetOf } from './conversion-options.ts'
import { addGivenOptions, givenSources } from './given-options.ts'
import { requireOrderToLimit } from './hot-zone-options.ts'
import {
  addOutputImageOptions,
  outputOptions,
  platformSelection,
  requireOrderKept,
  targetLocation,
} from './output-options.ts'
import { addFindOption, recordsFrom } from './record-sharing-options.ts'
import { addReportOption, withReport } from './report-option.ts'
import { TITLES } from './titles.ts'

export const convertCommand: Command = {
  ...TITLES.convert,
  examples: [
    {
      command: 'optimizer convert oci:python oci-archive:python.tar:esgz --record-in python.jsonl',
      describe: 'convert a layout into an archive by a record, without root and without a daemon',
    },
    {
      command:
        'optimizer convert docker://registry.example/python:3 docker://registry.example/python:3-esgz --record-from-registry',
      describe: 'from registry to registry, by the record that was attached to the image',
    },
  ],
  builder: (yargs) =>
    addReportOption(
      addOutputOptions(
        addContainerdOptions(
          addConversionOptions(
            addOutputImageOptions(addOwnOptions(addFindOption(addGivenOptions(addPositionals(yargs))))),
          ),
        ),
      ),
    ),

  async run(argv, context) {
    const { console } = context
    const request = convertRequest(argv)
    const { convertOnly } = await import('../convert-only.ts')
    const result = await withReport(argv, request, context, (told) =>
      convertOnly(request, { ...context, ...told }),
    )
    if (argv.json === true) return `${JSON.stringify(result, null, 2)}\n`
    console.info(formatSummary(result))
    return `${result.target.digest}\n`
  },
}

function addPositionals(yargs: Argv): Argv {
  return yargs
    .positional('source', { type: 'string', describe: `the image: ${LOCATION_FORMS}` })
    .positional('target', { type: 'string', describe: `where the new image goes: ${TARGET_FORMS}` })
}

function addOwnOptions(yargs: Argv): Argv {
  return yargs
    .option('uncompress', {
      group: 'Conversion:',
      type: 'boolean',
      default: false,
      describe: 'layers as plain tars, byte for byte as they are inside the source',
    })
    .option('on-loss', {
      group: 'Order:',
      choices: ['fail', 'warn'],
      default: 'fail',
      describe: 'what to do with a record that is known to miss accesses: fail is exit code 5',
    })
}

/** Everything that can be wrong with the command line is found here, before anything runs. */
export function convertRequest(argv: Arguments): ConvertRequest {
  const given = givenSources(argv)
  const output = outputOptions(argv)
  const source = parseLocation('source', positional(argv, 'source'))
  const shared = recordsFrom(argv, source)
  const ordered = given.records.length > 0 || given.list !== null || shared !== null
  const uncompress = argv.uncompress === true
  requireOrderKept(output, ordered)
  requireOrderToLimit(output.limits, ordered)
  if (uncompress && (ordered || output.reuse)) {
    throw new UsageError(
      'OPTIONS_CONTRADICT',
      '--uncompress leaves every tar as it is: it goes with no order and with no --reuse',
    )
  }
  const compresses = argv.zstdchunked === true ? 'zstdchunked' : presetOf(argv)
  if (uncompress && compresses !== undefined)
    throw new UsageError(
      'OPTIONS_CONTRADICT',
      `--uncompress and --${compresses} contradict: leave one of them out`,
    )
  return {
    source,
    target: targetLocation(argv),
    containerd: containerdOptions(argv),
    snapshotter: SNAPSHOTTER_DEFAULT,
    platforms: platformSelection(argv),
    given,
    recordsFrom: shared,
    output: uncompress ? uncompressed(output) : output,
  }
}

function uncompressed(output: OutputOptions): OutputOptions {
  return { ...output, conversion: { ...output.conversion, format: { kind: 'uncompressed' } } }
}
