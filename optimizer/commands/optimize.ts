import type { Argv } from 'yargs'
import { UsageError } from '../../shared/errors.ts'
import { type ImageLocation, parseLocation } from '../image/location.ts'
import type { OptimizeRequest } from '../optimize.ts'
import type { NamedWorkload } from '../record-workloads.ts'
import type { RunnerChoice } from '../runner.ts'
import { formatSummary } from '../summary.ts'
import type { WorkloadOptions } from '../workload/options.ts'
import type { Arguments, Command } from './command.ts'
import {
  addContainerdOptions,
  addOutputOptions,
  containerdOptions,
  LOCATION_FORMS,
  positional,
  SNAPSHOTTER_DEFAULT,
  single,
  TARGET_FORMS,
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
import { addAttachOption, addFindOption, attachRecordTo, recordsFrom } from './record-sharing-options.ts'
import { recordingOptions } from './recording-options.ts'
import { addReportOption, withReport } from './report-option.ts'
import { runnerOption } from './runner-options.ts'
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
      command:
        'optimizer optimize docker://registry.example/app:1 docker://registry.example/app:1-esgz --attach-record',
      describe: 'from registry to registry without a daemon, the record beside the image',
    },
    {
      command: 'optimizer optimize --config python.yaml --json',
      describe: 'all of it from a file, for repeatable runs (docs/config.md)',
    },
  ],
  builder: (yargs) =>
    addReportOption(
      addOutputOptions(
        addContainerdOptions(
          addConversionOptions(
            addOutputImageOptions(
              addFindOption(
                addAttachOption(addGivenOptions(addWorkloadOptions(addConfigOption(addPositionals(yargs))))),
              ),
            ),
          ),
        ),
      ),
    ),

  async run(argv, context) {
    const { console } = context
    const request = optimizeRequest(argv)
    if (argv[DRY_RUN] === true && request.workload !== null) {
      const { dryRun } = await import('../dry-run.ts')
      return await dryRun({ ...request, workload: request.workload }, context)
    }
    const { optimize } = await import('../optimize.ts')
    const result = await withReport(argv, request, context, (told) =>
      optimize(request, { ...context, ...told }),
    )
    if (argv.json === true) return `${JSON.stringify(result, null, 2)}\n`
    console.info(formatSummary(result))
    return `${result.target.digest}\n`
  },
}

function addPositionals(yargs: Argv): Argv {
  return yargs
    .positional('source', {
      type: 'string',
      describe: `the image: ${LOCATION_FORMS}`,
    })
    .positional('target', { type: 'string', describe: `where the new image goes: ${TARGET_FORMS}` })
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
  if (!runs && argv['attach-record'] === true)
    throw new UsageError(
      'OPTIONS_CONTRADICT',
      '--attach-record needs a record, --no-optimize and --prefetch-list make none: leave one of them out',
    )
  if (!runs && argv[DRY_RUN] === true) {
    throw new UsageError(
      'OPTIONS_CONTRADICT',
      '--dry-run shows what would run, with --no-optimize and --prefetch-list nothing does: leave one of them out',
    )
  }
  const output = outputOptions(argv)
  const source = parseLocation('source', positional(argv, 'source'))
  const shared = recordsFrom(argv, source)
  requireOrderKept(output, runs || given.list !== null || given.records.length > 0 || shared !== null)
  const workload = runs ? workloadOptions(argv) : null
  const workloads = runs ? namedWorkloads(argv) : []
  return {
    source,
    target: targetLocation(argv),
    containerd: containerdOptions(argv),
    platforms: platformSelection(argv),
    snapshotter: single(argv, 'snapshotter') ?? SNAPSHOTTER_DEFAULT,
    runner: runnerChoice(argv, source, workload, workloads),
    workload,
    workloads,
    recording: recordingOptions(argv, false),
    given,
    recordsFrom: shared,
    attachTo: attachRecordTo(argv, source),
    output,
  }
}

/** Where nothing is run, nothing need be there to run it. */
function runnerChoice(
  argv: Arguments,
  source: ImageLocation,
  workload: WorkloadOptions | null,
  workloads: readonly NamedWorkload[],
): RunnerChoice {
  if (workload === null) return { kind: 'containerd' }
  return runnerOption(argv, source, [workload, ...workloads.map(({ options }) => options)])
}
