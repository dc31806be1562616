import type { Argv } from 'yargs'
import { UsageError } from '../../shared/errors.ts'
import { parseLocation } from '../image/location.ts'
import type { OptimizeRequest } from '../optimize.ts'
import { formatSummary } from '../summary.ts'
import type { Arguments, Command } from './command.ts'
import {
  addContainerdOptions,
  addOutputOptions,
  containerdOptions,
  LOCATION_FORMS,
  positional,
  SNAPSHOTTER_DEFAULT,
  single,
} from './common-options.ts'
import { addConfigOption } from './config-option.ts'
import { addConversionOptions } from './conversion-options.ts'
import { addGivenOptions, givenSources } from './given-options.ts'
import {
  addOutputImageOptions,
  outputOptions,
  platformSelection,
  requireOrderKept,
  targetLocation,
} from './output-options.ts'
import { recordingOptions } from './recording-options.ts'
import { TITLES } from './titles.ts'
import { addWorkloadOptions, DRY_RUN, workloadOptions } from './workload-options.ts'
import { namedWorkloads } from './workloads.ts'

export const optimizeCommand: Command = {
  ...TITLES.optimize,
  examples: [
    {
      command: `optimizer optimize docker.io/library/python:3 registry.example/python:3-esgz --args '["python3","-c","import json"]'`,
      describe: 'record a short run and convert',
    },
    {
      command: 'optimizer optimize --config python.yaml --json',
      describe: 'all of it from a file, for repeatable runs (docs/config.md)',
    },
  ],
  builder: (yargs) =>
    addOutputOptions(
      addContainerdOptions(
        addConversionOptions(
          addOutputImageOptions(addGivenOptions(addWorkloadOptions(addConfigOption(addPositionals(yargs))))),
        ),
      ),
    ),

  async run(argv, context) {
    const { console } = context
    const request = optimizeRequest(argv)
    if (argv[DRY_RUN] === true && request.workload !== null) {
      const { dryRun } = await import('../dry-run.ts')
      const { source, containerd, platforms, workload, workloads } = request
      return await dryRun({ source: source.name, containerd, platforms, workload, workloads })
    }
    const { optimize } = await import('../optimize.ts')
    const result = await optimize(request, context)
    if (argv.json === true) return `${JSON.stringify(result, null, 2)}\n`
    console.info(formatSummary(result))
    return `${result.target.digest}\n`
  },
}

function addPositionals(yargs: Argv): Argv {
  return yargs
    .positional('source', {
      type: 'string',
      describe: 'image in containerd: looked up as typed, then as docker completes names',
    })
    .positional('target', { type: 'string', describe: `where the new image goes: ${LOCATION_FORMS}` })
}

/** Everything that can be wrong with the command line is found here, before anything runs. */
export function optimizeRequest(argv: Arguments): OptimizeRequest {
  const given = givenSources(argv)
  const runs = argv['no-optimize'] !== true && given.list === null
  if (!runs && single(argv, 'record-out') !== undefined) {
    throw new UsageError(
      'OPTIONS_CONTRADICT',
      '--record-out needs a record, --no-optimize and --prefetch-list make none: leave one of them out',
    )
  }
  if (!runs && argv[DRY_RUN] === true) {
    throw new UsageError(
      'OPTIONS_CONTRADICT',
      '--dry-run shows what would run, with --no-optimize and --prefetch-list nothing does: leave one of them out',
    )
  }
  const output = outputOptions(argv)
  requireOrderKept(output, runs || given.list !== null || given.records.length > 0)
  return {
    source: sourceLocation(argv),
    target: targetLocation(argv),
    containerd: containerdOptions(argv),
    platforms: platformSelection(argv),
    snapshotter: single(argv, 'snapshotter') ?? SNAPSHOTTER_DEFAULT,
    workload: runs ? workloadOptions(argv) : null,
    workloads: runs ? namedWorkloads(argv) : [],
    recording: recordingOptions(argv, false),
    given,
    output,
  }
}

/** containerd runs what is in it. */
function sourceLocation(argv: Arguments): OptimizeRequest['source'] {
  const location = parseLocation('source', positional(argv, 'source'))
  if (location.kind === 'containerd') return location
  throw new UsageError(
    'IMAGE_ARGUMENT_INVALID',
    '<source> is not in containerd, which runs it: import it first, or use `optimizer convert` with a record',
  )
}
