import type { Argv } from 'yargs'
import { UsageError } from '../../shared/errors.ts'
import { type OptimizeRequest, optimize } from '../optimize.ts'
import { formatSummary } from '../summary.ts'
import type { Arguments, Command } from './command.ts'
import {
  addContainerdOptions,
  addOutputOptions,
  addPlatformOption,
  containerdOptions,
  platformOption,
  positional,
  SNAPSHOTTER_DEFAULT,
  single,
} from './common-options.ts'
import { addConversionOptions, conversionOptions } from './conversion-options.ts'
import { recordingOptions } from './recording-options.ts'
import { addWorkloadOptions, workloadOptions } from './workload-options.ts'

export const optimizeCommand: Command = {
  usage: 'optimize <source> <target>',
  describe: 'Run the image, learn what it reads, and write it as eStargz with those files first',
  builder: (yargs) =>
    addOutputOptions(
      addContainerdOptions(
        addConversionOptions(addNoOptimize(addWorkloadOptions(addPlatformOption(addPositionals(yargs))))),
      ),
    ).example(
      '$0 optimize docker.io/library/python:3 registry.example/python:3-esgz --args \'["python3","-c","import json"]\'',
      'record a short run and convert',
    ),

  async run(argv, context) {
    const { console } = context
    const result = await optimize(optimizeRequest(argv), context)
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
    .positional('target', { type: 'string', describe: 'name of the new image, taken as typed' })
}

function addNoOptimize(yargs: Argv): Argv {
  return yargs.option('no-optimize', {
    group: 'Recording:',
    type: 'boolean',
    default: false,
    describe: 'convert without running: every layer in source order',
  })
}

/** Everything that can be wrong with the command line is found here, before anything runs. */
export function optimizeRequest(argv: Arguments): OptimizeRequest {
  const noOptimize = argv['no-optimize'] === true
  if (noOptimize && single(argv, 'record-out') !== undefined) {
    throw new UsageError(
      'OPTIONS_CONTRADICT',
      '--record-out needs a record, --no-optimize makes none: leave one of them out',
    )
  }
  return {
    source: positional(argv, 'source'),
    target: positional(argv, 'target'),
    containerd: containerdOptions(argv),
    platform: platformOption(argv),
    snapshotter: single(argv, 'snapshotter') ?? SNAPSHOTTER_DEFAULT,
    workload: noOptimize ? null : workloadOptions(argv),
    recording: recordingOptions(argv),
    conversion: conversionOptions(argv),
  }
}
