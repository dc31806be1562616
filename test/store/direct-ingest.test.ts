/** How much of a blob containerd is asked to read within its database's only write transaction. */
import assert from 'node:assert/strict'
import type { FileHandle } from 'node:fs/promises'
import { describe, it } from 'node:test'
import type { Ingest } from '../../optimizer/containerd/content.ts'
import { digestOf } from '../../optimizer/image/digest.ts'
import { DIRECT_BYTES_MAX, DirectIngest } from '../../optimizer/store/direct-ingest.ts'

const MIB = 1024 * 1024

/** A daemon and the file of its ingest, which take what they are given at once. */
class Watched {
  fileBytes = 0
  /** What the file held, and what it was said to hold, when the daemon was asked to go on. */
  resumed: { fileBytes: number; heldBytes: number; isSynced: boolean; isClosed: boolean }[] = []
  sentBytes = 0
  committedBytes: number | null = null
  #isSynced = false
  #isClosed = false

  readonly content = {
    prepare: async () => {},
    abort: async () => true,
    resume: (_ref: string, heldBytes: number) => {
      const { fileBytes } = this
      this.resumed.push({ fileBytes, heldBytes, isSynced: this.#isSynced, isClosed: this.#isClosed })
      return {
        begin: () => {},
        write: async (bytes: Uint8Array) => {
          this.sentBytes += bytes.length
        },
        commit: async (_digest: string, sizeBytes: number) => {
          this.committedBytes = sizeBytes
        },
      } as unknown as Ingest
    },
  }

  readonly blobs = {
    openIngest: async () =>
      ({
        // As the system may: not all of it at once.
        write: async (_bytes: Uint8Array, _at: number, length: number, position: number) => {
          assert.equal(position, this.fileBytes)
          const bytesWritten = Math.ceil(length / 2)
          this.fileBytes += bytesWritten
          return { bytesWritten }
        },
        datasync: async () => {
          this.#isSynced = true
        },
        close: async () => {
          this.#isClosed = true
        },
      }) as unknown as FileHandle,
  }
}

/** @param goesOnAt behind how many pieces the daemon is asked to go on */
async function written(pieces: readonly number[], bytesMax?: number, goesOnAt?: number): Promise<Watched> {
  const watched = new Watched()
  const { content, blobs } = watched
  const ingest = (await DirectIngest.open(content, blobs, 'a-ref', bytesMax)) ?? assert.fail('no file')
  const memory = new Uint8Array(Math.max(...pieces))
  for (const [index, bytes] of pieces.entries()) {
    if (index === goesOnAt) ingest.goOn()
    await ingest.write(memory.subarray(0, bytes))
  }
  const sizeBytes = pieces.reduce((sum, bytes) => sum + bytes)
  await ingest.commit(digestOf('whatever'), sizeBytes, {})
  assert.equal(watched.fileBytes + watched.sentBytes, sizeBytes)
  assert.equal(watched.committedBytes, sizeBytes)
  return watched
}

describe('an ingest that is written directly', () => {
  it('is read by the daemon once, when all that it holds is on the disk', async () => {
    const { resumed, sentBytes } = await written([3, 5, 1], 100)
    assert.deepEqual(resumed, [{ fileBytes: 9, heldBytes: 9, isSynced: true, isClosed: true }])
    assert.equal(sentBytes, 0)
  })

  it('is read by the daemon before the end where it is asked to go on, and is sent what follows', async () => {
    const { resumed, sentBytes } = await written([3, 5, 1], 100, 2)
    assert.deepEqual(resumed, [{ fileBytes: 8, heldBytes: 8, isSynced: true, isClosed: true }])
    assert.equal(sentBytes, 1)
  })

  for (const pieces of [[11], [10, 1], [4, 4, 4, 4], [9, 2, 30], [1, 100, 1]])
    it(`never holds more than it may then, written in pieces of ${pieces.join(', ')}`, async () => {
      const { resumed } = await written(pieces, 10)
      assert.deepEqual(resumed, [{ fileBytes: 10, heldBytes: 10, isSynced: true, isClosed: true }])
    })

  it('holds 256 MiB at most where nobody says another bound: so long do other clients wait', async () => {
    assert.equal(DIRECT_BYTES_MAX, 256 * MIB)
    const { resumed } = await written(Array.from({ length: 90 }, () => 3 * MIB))
    assert.deepEqual(
      resumed.map(({ fileBytes }) => fileBytes),
      [DIRECT_BYTES_MAX],
    )
  })
})
