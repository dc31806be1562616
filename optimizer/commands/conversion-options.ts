/** What decides the bytes of a conversion, as options of every command that converts. */
import { availableParallelism } from 'node:os'
import type { Argv } from 'yargs'
import { compressionEngine, ENGINE_NAMES } from '../../native/compression.ts'
import { UsageError } from '../../shared/errors.ts'
import {
  CHUNK_BYTES_DEFAULT,
  COMPRESSION_LEVEL_DEFAULT,
  type ConversionOptions,
  type LayerFormat,
  ZSTD_LEVEL_DEFAULT,
} from '../convert/options.ts'
import { DIALECTS } from '../estargz/zstd-footer.ts'
import { GZIP_HELPER_NAMES } from '../tar/gzip-helper.ts'
import type { Arguments } from './command.ts'
import { single } from './common-options.ts'
import { integerBetween, oneOf, sizeBytes } from './values.ts'

const CHUNK_BYTES_MIN = 4096
const CHUNK_BYTES_MAX = 64 * 1024 ** 2
const WORKERS_MAX = 256

const group = 'Conversion:'

export function addConversionOptions(yargs: Argv): Argv {
  return addEngineOptions(addEstargzOptions(addZstdChunkedOptions(yargs)))
}

function addEstargzOptions(yargs: Argv): Argv {
  return yargs
    .option('estargz-compression-level', {
      group,
      type: 'string',
      defaultDescription: String(COMPRESSION_LEVEL_DEFAULT),
      describe: 'level of the compression engine, 1 to 12 (zlib: to 9)',
    })
    .option('estargz-chunk-size', {
      group,
      type: 'string',
      defaultDescription: '4MiB',
      describe: 'greatest piece of a file that is compressed on its own',
    })
    .option('estargz-min-chunk-size', {
      group,
      type: 'string',
      defaultDescription: '0',
      describe:
        'small files are compressed together until they have so many bytes: smaller, less lazily read',
    })
    .option('estargz-external-toc', {
      group,
      type: 'boolean',
      default: false,
      describe: 'tables of contents go to a second image, TARGET-esgztoc, instead of into the layers',
    })
    .option('estargz-external-toc-ref', {
      group,
      type: 'string',
      defaultDescription: 'TARGET-esgztoc',
      describe: "name of the image of --estargz-external-toc, in the target's store",
    })
    .option('estargz-keep-diff-id', {
      group,
      type: 'boolean',
      default: false,
      describe: 'layers keep their uncompressed bytes, and so their order; needs --estargz-external-toc',
    })
    .option('estargz-gzip-helper', {
      alias: 'GH',
      group,
      type: 'string',
      choices: GZIP_HELPER_NAMES,
      describe: 'program that decompresses layers of the source; the bytes do not depend on it',
    })
}

function addEngineOptions(yargs: Argv): Argv {
  return yargs
    .option('fast', {
      group,
      type: 'boolean',
      default: false,
      describe: 'the lowest level for all but what clients wait for at start: less time, larger layers',
    })
    .option('small', {
      group,
      type: 'boolean',
      default: false,
      describe: "the engine's best level for everything: smaller layers, several times the time",
    })
    .option('prefetch-compression-level', {
      group,
      type: 'string',
      defaultDescription: "the engine's best",
      describe: 'level of what clients wait for at start: the files before the landmark, and the TOC',
    })
    .option('compression-engine', {
      group,
      type: 'string',
      choices: ENGINE_NAMES,
      defaultDescription: 'libdeflate where it is built in',
      describe: 'what compresses; the bytes depend on it',
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

function addZstdChunkedOptions(yargs: Argv): Argv {
  return yargs
    .option('zstdchunked', {
      group,
      type: 'boolean',
      default: false,
      describe: 'write zstd:chunked layers instead of eStargz',
    })
    .option('zstdchunked-dialect', {
      group,
      type: 'string',
      choices: DIALECTS,
      defaultDescription: 'stargz',
      describe: 'for whom: stargz (the lazily pulling snapshotter) or containers (podman, buildah, CRI-O)',
    })
    .option('zstdchunked-compression-level', {
      group,
      type: 'string',
      defaultDescription: String(ZSTD_LEVEL_DEFAULT),
      describe: 'level of zstd, 1 to 19',
    })
    .option('zstdchunked-chunk-size', {
      group,
      type: 'string',
      defaultDescription: '4MiB',
      describe: 'greatest piece of a file that is compressed on its own',
    })
}

/** Options that would do nothing in the other format. */
const ZSTD_OPTIONS = [
  'zstdchunked-dialect',
  'zstdchunked-compression-level',
  'zstdchunked-chunk-size',
] as const
const ESTARGZ_OPTIONS = [
  'estargz-compression-level',
  'estargz-chunk-size',
  'estargz-min-chunk-size',
  'compression-engine',
] as const
const EXTERNAL_TOC_OPTIONS = [
  'estargz-external-toc',
  'estargz-external-toc-ref',
  'estargz-keep-diff-id',
] as const

/** The level of what is not fetched ahead, with neither preset and with each. */
interface Levels {
  usual: number
  max: number
}

/** @param option the one of the format. @throws {UsageError} a level is given, or a preset gives it, but not both */
function compressionLevel(argv: Arguments, option: string, { usual, max }: Levels): number {
  const preset = presetOf(argv)
  const text = single(argv, option)
  if (preset === undefined) return integerBetween(option, text ?? String(usual), 1, max)
  if (text === undefined) return preset === 'fast' ? 1 : max
  throw new UsageError('OPTIONS_CONTRADICT', `--${preset} sets what --${option} sets: leave one of them out`)
}

/** The engine's best unless said otherwise: what clients wait for is a small part of the bytes. */
function prefetchLevel(argv: Arguments, max: number): number {
  const option = 'prefetch-compression-level'
  const text = single(argv, option)
  if (text !== undefined && presetOf(argv) === 'small')
    throw new UsageError(
      'OPTIONS_CONTRADICT',
      `--small is the best level for everything: leave --${option} out`,
    )
  return integerBetween(option, text ?? String(max), 1, max)
}

/** @throws {UsageError} both are given */
export function presetOf(argv: Arguments): 'fast' | 'small' | undefined {
  if (argv.fast === true && argv.small === true)
    throw new UsageError('OPTIONS_CONTRADICT', '--fast and --small contradict: leave one of them out')
  if (argv.fast === true) return 'fast'
  return argv.small === true ? 'small' : undefined
}

/** @throws {UsageError}; {PreconditionError} ENGINE_MISSING */
export function conversionOptions(argv: Arguments): ConversionOptions {
  return {
    format: layerFormat(argv),
    workers: integerBetween(
      'workers',
      single(argv, 'workers') ?? String(Math.min(availableParallelism(), WORKERS_MAX)),
      1,
      WORKERS_MAX,
    ),
  }
}

function layerFormat(argv: Arguments): LayerFormat {
  const given = (options: readonly string[]) => options.find((option) => Boolean(argv[option]))
  const external = given(EXTERNAL_TOC_OPTIONS)
  if (argv.zstdchunked === true) {
    const other = external ?? given(ESTARGZ_OPTIONS)
    if (other === undefined) return zstdChunkedFormat(argv)
    throw new UsageError('OPTIONS_CONTRADICT', `--${other} is for eStargz: leave --zstdchunked out`)
  }
  const other = given(ZSTD_OPTIONS)
  if (other !== undefined)
    throw new UsageError(
      'OPTIONS_CONTRADICT',
      `--${other} needs --zstdchunked: without it layers are eStargz`,
    )
  const wanted = single(argv, 'compression-engine')
  const engine = compressionEngine(
    wanted === undefined ? undefined : oneOf('compression-engine', wanted, ENGINE_NAMES),
  )
  const externalToc = argv['estargz-external-toc'] === true
  const keepDiffId = argv['estargz-keep-diff-id'] === true
  if (external !== undefined && !externalToc) {
    throw new UsageError(
      'OPTIONS_CONTRADICT',
      `--${external} needs --estargz-external-toc: without it the table of contents is inside the layer`,
    )
  }
  return {
    kind: 'estargz',
    engine: engine.name,
    compressionLevel: compressionLevel(argv, 'estargz-compression-level', {
      usual: COMPRESSION_LEVEL_DEFAULT,
      max: engine.levelMax,
    }),
    ...askedPrefetchLevel(argv, engine.levelMax),
    chunkBytes: chunkBytes(argv, 'estargz-chunk-size'),
    minChunkBytes: sizeBytes(
      'estargz-min-chunk-size',
      single(argv, 'estargz-min-chunk-size') ?? '0',
      0,
      CHUNK_BYTES_MAX,
    ),
    externalToc,
    keepDiffId,
  }
}

/** The dialect is never guessed from anything else: who reads one does not read the other in parts. */
function zstdChunkedFormat(argv: Arguments): LayerFormat {
  const { levelMax } = compressionEngine('zstd')
  return {
    kind: 'zstdchunked',
    dialect: oneOf('zstdchunked-dialect', single(argv, 'zstdchunked-dialect') ?? 'stargz', DIALECTS),
    compressionLevel: compressionLevel(argv, 'zstdchunked-compression-level', {
      usual: ZSTD_LEVEL_DEFAULT,
      max: levelMax,
    }),
    ...askedPrefetchLevel(argv, levelMax),
    chunkBytes: chunkBytes(argv, 'zstdchunked-chunk-size'),
  }
}

/** Where nobody has said one, the format chooses by what it is for. */
function askedPrefetchLevel(argv: Arguments, levelMax: number): { prefetchCompressionLevel?: number } {
  return single(argv, 'prefetch-compression-level') === undefined && presetOf(argv) !== 'small'
    ? {}
    : { prefetchCompressionLevel: prefetchLevel(argv, levelMax) }
}

/** 0 is the peer's spelling of the default. */
function chunkBytes(argv: Arguments, option: string): number {
  const text = single(argv, option)
  if (text === undefined || text === '0') return CHUNK_BYTES_DEFAULT
  return sizeBytes(option, text, CHUNK_BYTES_MIN, CHUNK_BYTES_MAX)
}
