/** What a conversion may take of memory and disk, as options of every command that converts. */
import { tmpdir } from 'node:os'
import { resolve } from 'node:path'
import type { Argv } from 'yargs'
import { UsageError } from '../../shared/errors.ts'
import { SPOOL_MEMORY_BYTES, SpoolSpace } from '../tar/spool-space.ts'
import type { Arguments } from './command.ts'
import { single } from './common-options.ts'
import { sizeBytes } from './values.ts'

const group = 'Memory and disk:'
const MEMORY_BYTES_MIN = 16 * 1024 ** 2
/** Less holds no layer that needs a file. */
const SPOOL_BYTES_MIN = 1024 ** 2
/** A piece is there uncompressed and compressed, and the one after it as well. */
const CHUNKS_IN_MEMORY = 4
/** Of the memory that is allowed: for layers that are small enough to need no file. */
const SMALL_LAYERS_SHARE = 1 / 4

export function addSpaceOptions(yargs: Argv): Argv {
  return yargs
    .option('memory-limit', {
      group,
      type: 'string',
      defaultDescription: 'about 17MiB a worker, and 24MiB',
      describe:
        'most bytes under way between reading and writing; the bytes of the result do not depend on it',
    })
    .option('spool-dir', {
      group,
      type: 'string',
      defaultDescription: '$TMPDIR, else /tmp',
      describe: 'folder on whose disk the uncompressed layers are kept while they are converted',
    })
    .option('spool-limit', {
      group,
      type: 'string',
      defaultDescription: 'what the disk has',
      describe:
        'most bytes of uncompressed layers on disk; where all do not fit, one after the other is decompressed',
    })
}

export interface SpaceOptions {
  space: SpoolSpace
  /** For what is compressed. */
  memoryBytes?: number
}

/** @throws {UsageError} */
export function spaceOptions(argv: Arguments, chunkBytes: number): SpaceOptions {
  const limit = (option: string, min: number) => {
    const text = single(argv, option)
    return text === undefined ? undefined : sizeBytes(option, text, min, Number.MAX_SAFE_INTEGER)
  }
  const diskBytesMax = limit('spool-limit', SPOOL_BYTES_MIN)
  const memoryLimit = limit('memory-limit', MEMORY_BYTES_MIN)
  if (memoryLimit !== undefined && memoryLimit < CHUNKS_IN_MEMORY * chunkBytes) {
    const least = CHUNKS_IN_MEMORY * chunkBytes
    throw new UsageError(
      'OPTIONS_CONTRADICT',
      `--memory-limit must be at least ${least} bytes with chunks of ${chunkBytes}: allow more, or make the chunks smaller`,
    )
  }
  const smallLayers =
    memoryLimit === undefined
      ? SPOOL_MEMORY_BYTES
      : Math.min(SPOOL_MEMORY_BYTES, Math.floor(memoryLimit * SMALL_LAYERS_SHARE))
  return {
    space: new SpoolSpace({
      folder: resolve(single(argv, 'spool-dir') ?? tmpdir()),
      memoryBytesMax: smallLayers,
      ...(diskBytesMax === undefined ? {} : { diskBytesMax }),
    }),
    ...(memoryLimit === undefined ? {} : { memoryBytes: memoryLimit - smallLayers }),
  }
}
