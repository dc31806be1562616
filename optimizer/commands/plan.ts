import type { Argv } from 'yargs'
import { UsageError } from '../../shared/errors.ts'
import { parseLocation } from '../image/location.ts'
import type { PlanRequest } from '../plan-image.ts'
import { formatTable } from '../table.ts'
import type { Arguments, Command } from './command.ts'
import {
  addContainerdOptions,
  addOutputOptions,
  containerdOptions,
  LOCATION_FORMS,
  positional,
} from './common-options.ts'
import { addConversionOptions, conversionOptions } from './conversion-options.ts'
import { addOrderOptions, givenSources } from './given-options.ts'
import { hotZoneLimits } from './hot-zone-options.ts'
import { addPlatformOptions, platformSelection } from './output-options.ts'
import { addFindOption, recordsFrom } from './record-sharing-options.ts'
import { addSpaceOptions, spaceOptions } from './space-options.ts'
import { TITLES } from './titles.ts'

export const planCommand: Command = {
  ...TITLES.plan,
  examples: [
    {
      command: 'optimizer plan oci:python --record-in python.jsonl',
      describe: 'what a conversion by this record would put first; neither root nor a daemon',
    },
    {
      command:
        "optimizer plan oci:python --record-in python.jsonl --prefetch-budget 5s@100Mbit --exclude '**/*.a'",
      describe: 'the same, cut to what a link brings in five seconds, without static libraries',
    },
    {
      command:
        'optimizer plan docker://registry.example/app:1 --all-platforms --record-from-registry --prefetch-list first.txt',
      describe: 'of every platform, by the records that are beside them in the registry and a list',
    },
  ],
  builder: (yargs) =>
    addOutputOptions(
      addContainerdOptions(
        addSpaceOptions(
          addConversionOptions(addPlatformOptions(addFindOption(addOrderOptions(addPositionals(yargs))))),
        ),
      ),
    ),

  async run(argv, context) {
    const request = planRequest(argv)
    const [{ planImages }, { analysisDocument }, { formatAnalysis }] = await Promise.all([
      import('../plan-image.ts'),
      import('../plan/document.ts'),
      import('../plan/text.ts'),
    ])
    const analyses = await planImages(request, context)
    return argv.json === true
      ? `${JSON.stringify(analysisDocument(analyses), null, 2)}\n`
      : analyses.map((analysis) => formatAnalysis(analysis, formatTable)).join('\n')
  },
}

function addPositionals(yargs: Argv): Argv {
  return yargs.positional('source', { type: 'string', describe: `the image: ${LOCATION_FORMS}` })
}

/** Everything that can be wrong with the command line is found here, before anything is read. */
export function planRequest(argv: Arguments): PlanRequest {
  const given = givenSources(argv)
  const source = parseLocation('source', positional(argv, 'source'))
  const shared = recordsFrom(argv, source)
  if (given.records.length === 0 && given.list === null && shared === null)
    throw new UsageError(
      'ARGUMENT_INVALID',
      'a plan is by a record or a list: name one with --record-in, --record-from-registry or --prefetch-list (optimizer record makes a record)',
    )
  const conversion = conversionOptions(argv)
  const { format } = conversion
  if (format.kind === 'estargz' && format.keepDiffId === true)
    throw new UsageError(
      'OPTIONS_CONTRADICT',
      '--estargz-keep-diff-id keeps the order of the layers: there is none to plan',
    )
  const { space, ...memory } = spaceOptions(argv, format.kind === 'uncompressed' ? 0 : format.chunkBytes)
  return {
    source,
    containerd: containerdOptions(argv),
    platforms: platformSelection(argv),
    given,
    recordsFrom: shared,
    limits: hotZoneLimits(argv),
    conversion: { ...conversion, ...memory },
    space,
  }
}
