/** Images of one layer at the two ends of what layers are: very many small files, and a single large one. */
import { createCipheriv, createHash } from 'node:crypto'
import { mkdir, mkdtemp, open, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { systemCodeOf } from '../../shared/errors.ts'
import type { Log } from '../../shared/log.ts'
import { setFolderTimes, setOwnTime } from './layer-tree.ts'
import { OciLayout } from './oci-layout.ts'
import { CREATED, cacheFolder, type SampleImage } from './sample-image.ts'

export type SyntheticKind = 'small-files' | 'one-file'

const SMALL_FILES = 50_000
const SMALL_FILE_BYTES = 2048
const LARGE_FILE_BYTES = 2 * 1000 ** 3
const FILES_PER_FOLDER = 100
const BLOCK_BYTES = 1024 * 1024
/** Further apart than any compressor looks back: a block that comes again costs as much as the first time. */
const DISTINCT_BLOCKS = 64

/**
 * From the cache, or made now.
 * @param options.scale the share of the shape's files or bytes, for a quick look
 */
export async function buildSyntheticImage(options: {
  kind: SyntheticKind
  scale: number
  log: Log
  signal: AbortSignal
}): Promise<SampleImage> {
  const { kind, scale, log, signal } = options
  const cache = join(cacheFolder(), 'sample')
  const folder = join(cache, `${kind}-${scale}`)
  const image = { name: `docker.io/library/${kind}:latest`, folder, layerTitles: [kind] }
  if ((await stat(folder).catch(() => null)) !== null) return image
  log.info(`making the sample image ${image.name}`)
  await mkdir(cache, { recursive: true })
  const work = await mkdtemp(join(cache, 'new-'))
  try {
    const tree = join(work, 'tree')
    await mkdir(join(tree, 'data'), { recursive: true })
    if (kind === 'small-files') await writeSmallFiles(join(tree, 'data'), Math.ceil(SMALL_FILES * scale))
    else await writeLargeFile(join(tree, 'data', 'large'), Math.ceil(LARGE_FILE_BYTES * scale))
    await setFolderTimes(tree)
    const layout = await OciLayout.create(join(work, 'layout'), signal)
    await layout.finish(image.name, [await layout.addLayer(tree)], {
      architecture: process.arch === 'x64' ? 'amd64' : process.arch,
      created: CREATED,
      config: {},
      history: [{ created: CREATED, created_by: kind }],
    })
    await rename(join(work, 'layout'), folder).catch((error: unknown) => {
      if (systemCodeOf(error) !== 'ENOTEMPTY') throw error
    })
  } finally {
    await rm(work, { recursive: true, force: true })
  }
  return image
}

/** Text, as sources and settings are. */
async function writeSmallFiles(folder: string, count: number): Promise<void> {
  for (let start = 0; start < count; start += FILES_PER_FOLDER) {
    const below = join(folder, String(start / FILES_PER_FOLDER))
    await mkdir(below)
    for (let index = start; index < Math.min(start + FILES_PER_FOLDER, count); index++) {
      const path = join(below, `${index}.txt`)
      await writeFile(path, textOf(`small ${index}`, SMALL_FILE_BYTES))
      await setOwnTime(path)
    }
  }
}

/** Blocks of text, of numbers in a table, and of what cannot be compressed, in no order. */
async function writeLargeFile(path: string, bytes: number): Promise<void> {
  const makers = [textOf, tableOf, noiseOf]
  const pool = Array.from({ length: DISTINCT_BLOCKS * makers.length }, (_, index) =>
    makers[index % makers.length]?.(`block ${index}`, BLOCK_BYTES),
  )
  const order = noiseOf('order', Math.ceil(bytes / BLOCK_BYTES) * 2)
  const file = await open(path, 'w')
  try {
    for (let written = 0, index = 0; written < bytes; index++) {
      // A block's turn comes once in each pass over the pool; which kind it is differs from pass to pass.
      const shift = (order[Math.floor(index / pool.length)] ?? 0) * 7
      const block = pool[(index * 5 + shift) % pool.length] as Buffer
      await file.write(block.subarray(0, Math.min(BLOCK_BYTES, bytes - written)))
      written += BLOCK_BYTES
    }
  } finally {
    await file.close()
  }
  await setOwnTime(path)
}

/** The same bytes for the same seed, for ever. */
function noiseOf(seed: string, bytes: number): Buffer {
  const key = createHash('sha256').update(seed).digest()
  return createCipheriv('aes-256-ctr', key, Buffer.alloc(16)).update(Buffer.alloc(bytes))
}

function textOf(seed: string, bytes: number): Buffer {
  const noise = noiseOf(seed, bytes)
  const words: string[] = []
  let length = 0
  for (let at = 0; length < bytes; at += 2) {
    // The product of two bytes prefers small numbers, as languages prefer some words.
    const rank = ((noise[at] ?? 0) * (noise[at + 1] ?? 0)) >> 4
    const word = `${rank.toString(36)}${'aeiou'[rank % 5]}${(rank * 7919).toString(27)}${rank % 9 === 0 ? '\n' : ' '}`
    words.push(word)
    length += word.length
  }
  return Buffer.from(words.join('')).subarray(0, bytes)
}

function tableOf(seed: string, bytes: number): Buffer {
  const table = noiseOf(seed, bytes)
  // Records of 16 bytes: a counter, two fields that hardly change, and one that does.
  for (let at = 0; at + 16 <= bytes; at += 16) {
    table.writeUInt32LE(at / 16, at)
    table.writeUInt32LE((table[at + 4] ?? 0) & 3, at + 4)
    table.writeUInt32LE((table[at + 8] ?? 0) & 1, at + 8)
  }
  return table
}
