import { availableParallelism } from 'node:os'
import type { Argv } from 'yargs'
import { compressionEngine } from '../../native/compression.ts'
import { UsageError } from '../../shared/errors.ts'
import { CHUNK_BYTES_DEFAULT, COMPRESSION_LEVEL_DEFAULT } from '../convert/options.ts'
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
  repeated,
  SNAPSHOTTER_DEFAULT,
  single,
} from './common-options.ts'
import {
  durationSeconds,
  environmentChange,
  integerBetween,
  outputFile,
  sizeBytes,
  stringArray,
} from './values.ts'

const PERIOD_DEFAULT = '10s'
const STOP_TIMEOUT_SECONDS = 5
const CHUNK_BYTES_MIN = 4096
const CHUNK_BYTES_MAX = 64 * 1024 ** 2
const WORKERS_MAX = 256

export const optimizeCommand: Command = {
  usage: 'optimize <source> <target>',
  describe: 'Run the image, learn what it reads, and write it as eStargz with those files first',
  builder: (yargs) =>
    addOutputOptions(
      addContainerdOptions(
        addConversionOptions(addWorkloadOptions(addPlatformOption(addPositionals(yargs)))),
      ),
    ).example(
      '$0 optimize docker.io/library/python:3 registry.example/python:3-esgz --args \'["python3","-c","import json"]\'',
      'record a short run and convert',
    ),

  async run(argv, { console, signal }) {
    const request = optimizeRequest(argv)
    const result = await optimize(request, { console, signal })
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

function addWorkloadOptions(yargs: Argv): Argv {
  const group = 'Workload:'
  return yargs
    .option('entrypoint', {
      group,
      type: 'string',
      describe: "JSON array in place of the image's Entrypoint; the image's Cmd is dropped ([] clears)",
    })
    .option('args', { group, type: 'string', describe: "JSON array in place of the image's Cmd" })
    .option('env', {
      alias: 'e',
      group,
      type: 'string',
      array: true,
      describe: 'NAME=value sets a variable, NAME alone removes it (repeatable)',
    })
    .option('cwd', { group, type: 'string', describe: 'working directory in the container' })
    .option('user', { group, type: 'string', describe: 'user[:group], names or ids of the image' })
    .option('net-host', { group, type: 'boolean', default: false, describe: "use the host's network" })
    .option('snapshotter', {
      group,
      type: 'string',
      default: SNAPSHOTTER_DEFAULT,
      describe: "containerd's snapshotter for the container's root",
    })
    .option('period', {
      group: 'Recording:',
      type: 'string',
      default: PERIOD_DEFAULT,
      describe: 'how long the workload runs unless it ends by itself: 10s, 500ms, 2m',
    })
    .option('record-out', { group: 'Recording:', type: 'string', describe: 'write the record to this file' })
    .option('no-optimize', {
      group: 'Recording:',
      type: 'boolean',
      default: false,
      describe: 'convert without running: every layer in source order',
    })
}

function addConversionOptions(yargs: Argv): Argv {
  const group = 'Conversion:'
  return yargs
    .option('estargz-compression-level', {
      group,
      type: 'string',
      default: String(COMPRESSION_LEVEL_DEFAULT),
      describe: 'level of the compression engine, 1 to 12 (zlib: to 9)',
    })
    .option('estargz-chunk-size', {
      group,
      type: 'string',
      default: '4MiB',
      describe: 'greatest piece of a file that is compressed on its own',
    })
    .option('workers', {
      group,
      type: 'string',
      defaultDescription: 'one per CPU',
      describe: 'threads that compress; the bytes do not depend on it',
    })
    .option('oci', {
      group,
      type: 'boolean',
      default: true,
      describe: 'accepted for compatibility: the result always has OCI media types',
    })
}

/** Everything that can be wrong with the command line is found here, before anything runs. */
export function optimizeRequest(argv: Arguments): OptimizeRequest {
  const noOptimize = argv['no-optimize'] === true
  const recordOut = single(argv, 'record-out')
  if (noOptimize && recordOut !== undefined) {
    throw new UsageError(
      'OPTIONS_CONTRADICT',
      '--record-out needs a record, --no-optimize makes none: leave one of them out',
    )
  }
  const entrypoint = single(argv, 'entrypoint')
  const args = single(argv, 'args')
  const cwd = single(argv, 'cwd')
  const user = single(argv, 'user')
  return {
    source: positional(argv, 'source'),
    target: positional(argv, 'target'),
    containerd: containerdOptions(argv),
    platform: platformOption(argv),
    snapshotter: single(argv, 'snapshotter') ?? SNAPSHOTTER_DEFAULT,
    workload: noOptimize
      ? null
      : {
          ...(entrypoint === undefined ? {} : { entrypoint: stringArray('entrypoint', entrypoint) }),
          ...(args === undefined ? {} : { args: stringArray('args', args) }),
          env: repeated(argv, 'env').map((text) => environmentChange('env', text)),
          ...(cwd === undefined ? {} : { cwd }),
          ...(user === undefined ? {} : { user }),
          netHost: argv['net-host'] === true,
          periodSeconds: durationSeconds('period', single(argv, 'period') ?? PERIOD_DEFAULT),
          stopTimeoutSeconds: STOP_TIMEOUT_SECONDS,
          snapshotter: single(argv, 'snapshotter') ?? SNAPSHOTTER_DEFAULT,
        },
    recordOut: recordOut === undefined ? null : outputFile('record-out', recordOut),
    conversion: {
      compressionLevel: integerBetween(
        'estargz-compression-level',
        single(argv, 'estargz-compression-level') ?? String(COMPRESSION_LEVEL_DEFAULT),
        1,
        compressionEngine().levelMax,
      ),
      chunkBytes: chunkBytes(single(argv, 'estargz-chunk-size')),
      workers: integerBetween(
        'workers',
        single(argv, 'workers') ?? String(Math.min(availableParallelism(), WORKERS_MAX)),
        1,
        WORKERS_MAX,
      ),
    },
  }
}

/** 0 is the peer's spelling of the default. */
function chunkBytes(text: string | undefined): number {
  if (text === undefined || text === '0') return CHUNK_BYTES_DEFAULT
  return sizeBytes('estargz-chunk-size', text, CHUNK_BYTES_MIN, CHUNK_BYTES_MAX)
}
