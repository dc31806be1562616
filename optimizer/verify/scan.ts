/** One pass over a layer's blob: its digests, the tar's entries, the digests of their contents. */
import type { Descriptor } from '../image/descriptor.ts'
import { type Digest, DigestCounter } from '../image/digest.ts'
import type { TarEntry, TarNotes } from '../tar/entry.ts'
import { LayerUnsupportedError, TarFormatError, TarLimitError } from '../tar/errors.ts'
import { GzipFormatError, gunzipMembers } from '../tar/gunzip.ts'
import { TarIndexer } from '../tar/indexer.ts'
import { ZstdFormatError } from '../tar/unzstd.ts'
import { ContentDigests } from './content-digests.ts'
import { decompressed, gunzipBetween, Input, type OnStart, unzstdFrames } from './decompress.ts'
import type { Findings } from './difference.ts'
import { shownPath } from './shown-path.ts'

export interface Scan {
  /** All of them, in the tar's order, landmarks and TOC included. */
  entries: TarEntry[]
  contents: ContentDigests
  notes: TarNotes
  diffId: Digest
  uncompressedBytes: number
  /** Compressed → uncompressed offset, of those places that were asked for and begin a member or frame. */
  starts: ReadonlyMap<number, number>
}

/** What a TOC claims, to be looked at on the way. */
export interface Claims {
  compression: 'gzip' | 'zstd'
  /** Compressed offsets at which members or frames should begin: ascending, from 0. */
  starts: readonly number[]
  /** For one pass over the tar's entries: lengths of each file's chunks, empty for a file in one piece. */
  chunkBytes(): (entry: TarEntry) => readonly number[]
}

export interface TarWatcher {
  /** The tar's next bytes. */
  push(piece: Buffer): void
  /** After the last. */
  end(findings: Findings): void
}

export interface ScanRequest {
  descriptor: Descriptor
  /** As the config says. */
  diffId: Digest
  /** The blob from its beginning, as often as it is called. */
  read(): AsyncIterable<Buffer>
  claims?: Claims | undefined
  /** Something else that looks at the tar as it passes by. @param entries those whose headers have passed */
  watch?: ((entries: readonly TarEntry[]) => TarWatcher) | undefined
  signal?: AbortSignal | undefined
}

/**
 * @returns undefined when the blob's content cannot be read as a whole; why not is among the findings
 * @throws errors of the store; {LayerUnsupportedError}
 */
export async function scanLayer(request: ScanRequest, findings: Findings): Promise<Scan | undefined> {
  const { claims } = request
  if (claims?.compression === 'gzip') {
    // Where a member is not where it should be, each is looked for, and all begins anew.
    const scan = await attempt(request, (input, onStart) => gunzipBetween(input, claims.starts, onStart))
    if (scan.kind === 'whole') return await scan.finish(findings)
    await scan.discard()
    const slow = (input: Input, onStart: OnStart) => gunzipMembers(input.take(), onStart)
    return await finished(await attempt(request, slow), findings)
  }
  const source = claims?.compression === 'zstd' ? unzstdFrames : decompressed
  return await finished(await attempt(request, source), findings)
}

async function finished(scan: Attempt, findings: Findings): Promise<Scan | undefined> {
  if (scan.kind === 'whole') return await scan.finish(findings)
  await scan.tell(findings)
  return undefined
}

type Attempt =
  | { kind: 'whole'; finish(findings: Findings): Promise<Scan> }
  | { kind: 'broken'; tell(findings: Findings): Promise<void>; discard(): Promise<void> }

async function attempt(
  request: ScanRequest,
  decompress: (input: Input, onStart: OnStart) => AsyncIterable<Buffer>,
): Promise<Attempt> {
  const blob = new CountedBlob(request.read())
  const contents = new ContentDigests(request.claims?.chunkBytes())
  const entries: TarEntry[] = []
  const indexer = new TarIndexer((entry) => {
    entries.push(entry)
    if (entry.type === 'reg') contents.expect(entry)
  })
  const watcher = request.watch?.(entries)
  const uncompressed = new DigestCounter()
  const wanted = new Set(request.claims?.starts)
  const starts = new Map<number, number>()
  const onStart = (offset: number) => {
    if (wanted.has(offset)) starts.set(offset, uncompressed.sizeBytes)
  }
  try {
    for await (const piece of decompress(new Input(blob), onStart)) {
      request.signal?.throwIfAborted()
      indexer.push(piece)
      contents.push(piece, uncompressed.sizeBytes)
      watcher?.push(piece)
      uncompressed.update(piece)
    }
    indexer.end()
  } catch (error) {
    const code = codeOf(error)
    if (code === undefined) {
      await blob.close()
      if (!(error instanceof TarLimitError)) throw error
      throw new LayerUnsupportedError(request.descriptor.digest, error.message, { cause: error })
    }
    return {
      kind: 'broken',
      discard: () => blob.close(),
      tell: async (findings) => {
        await blob.compare(request.descriptor, findings)
        const last = entries.at(-1)
        findings.add(code, last === undefined ? null : shownPath(last.path), (error as Error).message)
      },
    }
  }
  return {
    kind: 'whole',
    finish: async (findings) => {
      await blob.compare(request.descriptor, findings)
      const diffId = uncompressed.digest()
      if (diffId !== request.diffId) {
        findings.add(
          'DIFF_ID',
          null,
          `the uncompressed layer has ${diffId}, the config says ${request.diffId}`,
        )
      }
      watcher?.end(findings)
      const { notes } = indexer
      return { entries, contents, notes, diffId, uncompressedBytes: uncompressed.sizeBytes, starts }
    },
  }
}

function codeOf(error: unknown): 'COMPRESSION' | 'TAR_MALFORMED' | undefined {
  if (error instanceof TarFormatError) return 'TAR_MALFORMED'
  return error instanceof GzipFormatError || error instanceof ZstdFormatError ? 'COMPRESSION' : undefined
}

/** Counts and hashes what passes; iterating can stop and go on. */
class CountedBlob implements AsyncIterable<Buffer> {
  readonly #iterator: AsyncIterator<Buffer>
  readonly #counter = new DigestCounter()

  constructor(source: AsyncIterable<Buffer>) {
    this.#iterator = source[Symbol.asyncIterator]()
  }

  [Symbol.asyncIterator](): AsyncIterator<Buffer> {
    return {
      next: async () => {
        const result = await this.#iterator.next()
        if (!result.done) this.#counter.update(result.value)
        return result
      },
    }
  }

  /** Reads what is left of the blob. */
  async compare({ digest, size }: Descriptor, findings: Findings): Promise<void> {
    for await (const _ of this);
    const found = this.#counter.digest()
    if (this.#counter.sizeBytes !== size) {
      findings.add(
        'DESCRIPTOR_SIZE',
        null,
        `the blob ${digest} has ${this.#counter.sizeBytes} bytes, its descriptor says ${size}`,
      )
    }
    if (found !== digest) findings.add('BLOB_DIGEST', null, `the blob ${digest} has the digest ${found}`)
  }

  async close(): Promise<void> {
    await this.#iterator.return?.()
  }
}
