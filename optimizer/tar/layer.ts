/** A layer's blob, read once: checked against its digests, indexed, and kept uncompressed where somebody asks for that. */
import { releaseMemory } from '../../native/memory.ts'
import { isZstd } from '../../native/zstd.ts'
import type { Descriptor } from '../image/descriptor.ts'
import { type Digest, DigestCounter } from '../image/digest.ts'
import type { TarEntry, TarNotes } from './entry.ts'
import {
  type LayerCheck,
  LayerCorruptError,
  LayerUnsupportedError,
  TarFormatError,
  TarLimitError,
} from './errors.ts'
import { GzipFormatError, gunzip, isGzip } from './gunzip.ts'
import { type GzipHelper, GzipHelperError, gunzipBy } from './gzip-helper.ts'
import { TarIndexer } from './indexer.ts'
import { keepLastOfName } from './last-wins.ts'
import { Spool } from './spool.ts'
import type { SpoolSpace } from './spool-space.ts'
import { unzstd, ZstdFormatError } from './unzstd.ts'

export interface LayerBlob {
  /** Where the blob's bytes come from; whether they are gzip, zstd or tar is seen from them, as containerd does. */
  blob: AsyncIterable<Buffer>
  descriptor: Descriptor
  /** Digest of the uncompressed tar, from the image config. */
  diffId: Digest
  /** What decompresses gzip in place of what is built in. */
  gzipHelper?: GzipHelper
  signal?: AbortSignal
}

export interface LayerSource extends LayerBlob {
  /** A file to be made, as large as the uncompressed layer; it has no name any more when this returns. */
  spoolPath: string
  /** What all layers of a run share. */
  space?: SpoolSpace
}

/** What a layer says of its entries. */
export interface IndexedLayer {
  descriptor: Descriptor
  diffId: Digest
  /** One per name, in the tar's order. */
  entries: TarEntry[]
  notes: TarNotes
  uncompressedBytes: number
}

export interface OpenedLayer extends IndexedLayer {
  /**
   * Where the bytes are not there from the beginning: to be called once, before they are read.
   * @throws the signal's reason
   */
  ready?(signal?: AbortSignal): Promise<void>
  /** Bytes of the uncompressed tar. */
  read(offset: number, bytes: number): Promise<Buffer>
  /** The same into memory that is there already: fills all of `target`. */
  readInto(target: Uint8Array, offset: number): Promise<void>
  /** Gives the disk space back. Safe to call again. */
  close(): Promise<void>
}

/** How far the reading of a layer has got; nothing of it is proven before the end. */
export interface LayerProgress {
  /** So far, in the tar's order; an earlier one of a name that comes again is among them. */
  entries: readonly TarEntry[]
  /** Of the uncompressed tar, from its front: what `readInto` has. */
  readableBytes: number
  readInto: OpenedLayer['readInto']
}

/**
 * @param onProgress told while the layer is being read
 * @throws {LayerCorruptError} naming the check that failed: size, digest, gzip, zstd, tar, diff ID
 * @throws {LayerUnsupportedError} more than any real layer needs
 * @throws {SpoolError} the disk is full; {SpoolLimitError}
 */
export async function openLayer(
  source: LayerSource,
  onProgress?: (progress: LayerProgress) => void,
): Promise<OpenedLayer> {
  const spool = await Spool.create(source.spoolPath, source.space)
  const readInto: OpenedLayer['readInto'] = (target, offset) => spool.readInto(target, offset)
  const tell = (entries: readonly TarEntry[], readableBytes: number) =>
    onProgress?.({ entries, readableBytes, readInto })
  try {
    return {
      ...(await readLayer(source, spool, tell)),
      async read(offset, bytes) {
        const target = Buffer.allocUnsafe(bytes)
        await spool.readInto(target, offset)
        return target
      },
      readInto,
      close: () => spool.close(),
    }
  } catch (error) {
    await spool.close()
    throw error
  }
}

/** The same without its bytes: nothing is written anywhere. @throws as {@link openLayer}, no SpoolError */
export async function indexLayer(source: LayerBlob): Promise<IndexedLayer> {
  return await readLayer(source, null)
}

async function readLayer(
  source: LayerBlob,
  spool: Spool | null,
  tell: (entries: readonly TarEntry[], readableBytes: number) => void = () => {},
): Promise<IndexedLayer> {
  const { descriptor, diffId } = source
  const blob = new CheckedBlob(source.blob, descriptor, source.signal)
  const indexer = new TarIndexer()
  const uncompressed = new DigestCounter()
  try {
    const { pieces, isOwn } = await decompressed(blob, source.gzipHelper)
    for await (const piece of pieces) {
      source.signal?.throwIfAborted()
      let uses = 2
      const used = () => {
        if (--uses === 0 && isOwn) releaseMemory(piece)
      }
      const bytesBefore = uncompressed.sizeBytes
      const written = spool === null ? used() : spool.append(piece, used)
      // Awaited below; what fails before that is told instead of it.
      written?.catch(() => {})
      uncompressed.update(piece)
      indexer.push(piece)
      used()
      await written
      tell(indexer.entries, bytesBefore)
    }
    indexer.end()
  } catch (error) {
    await spool?.flush()
    throw await explain(error, blob, descriptor.digest)
  } finally {
    await blob.close()
  }
  await spool?.flush()
  tell(indexer.entries, uncompressed.sizeBytes)
  blob.requireWhole()
  const found = uncompressed.digest()
  if (found !== diffId) {
    const by = source.gzipHelper === undefined ? '' : `, as ${source.gzipHelper} gives it,`
    const what = `the uncompressed tar${by} has ${found}, the image config says ${diffId}`
    throw new LayerCorruptError(descriptor.digest, 'diff ID', what)
  }
  const { entries, dropped } = keepLastOfName(indexer.entries)
  indexer.notes.duplicateNames = dropped
  return { descriptor, diffId, entries, notes: indexer.notes, uncompressedBytes: uncompressed.sizeBytes }
}

/** A wrong digest is the cause of all that follows from wrong bytes: read on to know it. */
async function explain(error: unknown, blob: CheckedBlob, layer: Digest): Promise<unknown> {
  const check = checkOf(error)
  const others = error instanceof TarLimitError || error instanceof GzipHelperError
  if (check === undefined && !others) return error
  for await (const _ of blob);
  blob.requireWhole()
  if (error instanceof TarLimitError) return new LayerUnsupportedError(layer, error.message, { cause: error })
  if (error instanceof GzipHelperError) return error.onWholeLayer(layer)
  return new LayerCorruptError(layer, check as LayerCheck, (error as Error).message, { cause: error })
}

function checkOf(error: unknown): LayerCheck | undefined {
  if (error instanceof GzipFormatError) return 'gzip'
  if (error instanceof ZstdFormatError) return 'zstd'
  return error instanceof TarFormatError ? 'tar' : undefined
}

/** `isOwn`: the pieces' memory is nobody else's, and may be released in their order. */
async function decompressed(
  blob: CheckedBlob,
  helper: GzipHelper | undefined,
): Promise<{ pieces: AsyncIterable<Buffer>; isOwn: boolean }> {
  const head = await blob.peek(4)
  if (isGzip(head))
    return helper === undefined
      ? // The spool has written a piece when it takes the next but one.
        { pieces: gunzip(blob, { lendsPieces: true }), isOwn: false }
      : { pieces: gunzipBy(helper, blob), isOwn: false }
  return isZstd(head) ? { pieces: unzstd(blob), isOwn: true } : { pieces: blob, isOwn: false }
}

/** Counts and hashes what passes. Iterating can stop and go on: the position is the blob's, not the loop's. */
class CheckedBlob implements AsyncIterable<Buffer> {
  readonly #iterator: AsyncIterator<Buffer>
  readonly #descriptor: Descriptor
  readonly #signal: AbortSignal | undefined
  readonly #counter = new DigestCounter()
  #ahead: Buffer[] = []

  /** @param signal whoever waits for bytes waits no longer then */
  constructor(source: AsyncIterable<Buffer>, descriptor: Descriptor, signal: AbortSignal | undefined) {
    this.#iterator = source[Symbol.asyncIterator]()
    this.#descriptor = descriptor
    this.#signal = signal
  }

  async peek(bytes: number): Promise<Buffer> {
    let held: Buffer = Buffer.alloc(0)
    while (held.length < bytes) {
      const piece = await this.#take()
      if (piece === undefined) break
      held = Buffer.concat([held, piece])
    }
    if (held.length > 0) this.#ahead.push(held)
    return held.subarray(0, bytes)
  }

  [Symbol.asyncIterator](): AsyncIterator<Buffer> {
    return {
      next: async () => {
        const value = this.#ahead.shift() ?? (await this.#take())
        return value === undefined ? { done: true, value: undefined } : { done: false, value }
      },
    }
  }

  /** Tells the source that nobody reads on: it hears that when it has what it waits for, which may take minutes. */
  async close(): Promise<void> {
    const closing = Promise.resolve(this.#iterator.return?.())
    await whileWanted(closing, this.#signal).catch((error: unknown) => {
      if (this.#signal?.aborted !== true) throw error
    })
  }

  async #take(): Promise<Buffer | undefined> {
    this.#signal?.throwIfAborted()
    const { done, value } = await whileWanted(this.#iterator.next(), this.#signal)
    if (done) return undefined
    this.#counter.update(value)
    if (this.#counter.sizeBytes > this.#descriptor.size) throw this.#wrongSize('more than')
    return value
  }

  /** After the last byte. @throws {LayerCorruptError} */
  requireWhole(): void {
    const { digest, size } = this.#descriptor
    if (this.#counter.sizeBytes !== size) throw this.#wrongSize(`only ${this.#counter.sizeBytes} of`)
    const found = this.#counter.digest()
    if (found !== digest) throw new LayerCorruptError(digest, 'digest', `the bytes have ${found}`)
  }

  #wrongSize(amount: string): LayerCorruptError {
    const { digest, size } = this.#descriptor
    return new LayerCorruptError(
      digest,
      'size',
      `the store gave ${amount} the ${size} bytes of its descriptor`,
    )
  }
}

/** @throws the signal's reason, also while `promise` is pending for ever */
async function whileWanted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return await promise
  return await new Promise((resolve, reject) => {
    const giveUp = () => reject(signal.reason)
    const settled = () => signal.removeEventListener('abort', giveUp)
    if (signal.aborted) giveUp()
    else signal.addEventListener('abort', giveUp)
    promise.then(resolve, reject).then(settled)
  })
}
