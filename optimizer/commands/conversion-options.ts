/** What decides the bytes of a conversion, as options of every command that converts. */
import { availableParallelism } from 'node:os'
import type { Argv } from 'yargs'
import { compressionEngine } from '../../native/compression.ts'
import { CHUNK_BYTES_DEFAULT, COMPRESSION_LEVEL_DEFAULT, type ConversionOptions } from '../convert/options.ts'
import type { Arguments } from './command.ts'
import { single } from './common-options.ts'
import { integerBetween, sizeBytes } from './values.ts'

const CHUNK_BYTES_MIN = 4096
const CHUNK_BYTES_MAX = 64 * 1024 ** 2
const WORKERS_MAX = 256

export function addConversionOptions(yargs: Argv): Argv {
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

/** @throws {UsageError} */
export function conversionOptions(argv: Arguments): ConversionOptions {
  return {
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
  }
}

/** 0 is the peer's spelling of the default. */
function chunkBytes(text: string | undefined): number {
  if (text === undefined || text === '0') return CHUNK_BYTES_DEFAULT
  return sizeBytes('estargz-chunk-size', text, CHUNK_BYTES_MIN, CHUNK_BYTES_MAX)
}
