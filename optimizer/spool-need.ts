/** Whether the disk has room for the uncompressed layers: looked at before anything runs. */
import { constants } from 'node:fs'
import { access, statfs } from 'node:fs/promises'
import { CONCURRENT_LAYERS_MAX } from './early-layers.ts'
import { UNCOMPRESSED_SIZE_ANNOTATION } from './estargz/estargz-format.ts'
import type { Descriptor } from './image/descriptor.ts'
import type { ContentStore } from './store/store.ts'
import { isGzip } from './tar/gunzip.ts'
import { SpoolError } from './tar/nameless-file.ts'
import { SpoolLimitError, type SpoolSpace } from './tar/spool-space.ts'

/** Bytes of the two ends of a blob that are looked at. */
const END_BYTES = 4

/**
 * The largest image's layers are on disk at the same time, those of others before or after it.
 * @throws {SpoolError} the folder is none, or has less room
 * @throws {SpoolLimitError} a single layer needs more than is allowed
 */
export async function requireSpoolSpace(
  content: ContentStore,
  images: readonly { manifest: { layers: readonly Descriptor[] } }[],
  space: SpoolSpace,
): Promise<void> {
  const freeBytes = await freeBytesIn(space.folder)
  for (const { manifest } of images) {
    const { layers } = manifest
    const needs = await Promise.all(layers.map((layer) => uncompressedBytesMin(content, layer)))
    const held = heldBytes(content, layers)
    const largest = Math.max(0, ...needs.map((bytes, index) => bytes + (held[index] as number)))
    if (largest > space.diskBytesMax) {
      const how = content.holdsWhileRead ? 'uncompressed and as it comes from a mirror' : 'uncompressed'
      throw new SpoolLimitError(`a layer needs at least ${largest} bytes ${how}`, space.diskBytesMax)
    }
    const need = Math.min(sumOf(needs) + heldTogetherBytes(held), space.diskBytesMax)
    if (need > freeBytes) {
      const what = `no space left for it: ${need} bytes at least are needed, ${freeBytes} are free`
      throw new SpoolError(space.folder, new Error(what))
    }
  }
}

/** Whether the disk that is allowed holds all layers at the same time, as far as that can be told. */
export async function fitTogether(
  content: ContentStore,
  layers: readonly Descriptor[],
  space: SpoolSpace,
): Promise<boolean> {
  if (!isLimited(space)) return true
  const needs = await Promise.all(layers.map((layer) => uncompressedBytesMin(content, layer)))
  return sumOf(needs) + heldTogetherBytes(heldBytes(content, layers)) <= space.diskBytesMax
}

export function isLimited({ diskBytesMax }: SpoolSpace): boolean {
  return diskBytesMax !== Number.POSITIVE_INFINITY
}

/** Of each layer as it is compressed, while it is read. */
function heldBytes({ holdsWhileRead }: ContentStore, layers: readonly Descriptor[]): number[] {
  return layers.map(({ size }) => (holdsWhileRead ? size : 0))
}

/** The most that those take that are read at the same time. */
function heldTogetherBytes(held: readonly number[]): number {
  return sumOf([...held].sort((one, other) => other - one).slice(0, CONCURRENT_LAYERS_MAX))
}

function sumOf(bytes: readonly number[]): number {
  return bytes.reduce((sum, each) => sum + each, 0)
}

async function freeBytesIn(folder: string): Promise<number> {
  try {
    await access(folder, constants.W_OK | constants.X_OK)
    const { bavail, bsize } = await statfs(folder)
    return bavail * bsize
  } catch (cause) {
    throw new SpoolError(folder, cause)
  }
}

/**
 * What a layer has uncompressed, as far as that can be told without decompressing it: what an earlier conversion says,
 * or what the end of a gzip file says (of its last member, modulo 4 GiB), and never less than it has compressed.
 */
export async function uncompressedBytesMin(content: ContentStore, layer: Descriptor): Promise<number> {
  const { digest, size, annotations = {} } = layer
  const told = Number(annotations[UNCOMPRESSED_SIZE_ANNOTATION])
  if (Number.isSafeInteger(told) && told > 0) return Math.max(told, size)
  if (size < 2 * END_BYTES) return size
  const end = async (offsetBytes: number) => {
    const pieces: Buffer[] = []
    for await (const piece of content.read(digest, { offsetBytes, lengthBytes: END_BYTES }))
      pieces.push(piece)
    return Buffer.concat(pieces)
  }
  const tail = isGzip(await end(0)) ? await end(size - END_BYTES) : undefined
  return tail?.length === END_BYTES ? Math.max(size, tail.readUInt32LE()) : size
}
