/**
 * The least that a conversion costs: read, inflate, two hashes, deflate, write, each done once by the same libraries, on
 * one thread, with nothing between them. Not a converter: no entry is looked at.
 */
import { closeSync, openSync, readFileSync, writeSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import { createMemberCompressor, type EngineName, memberBytesMax } from '../native/compression.ts'
import { DigestCounter } from '../optimizer/image/digest.ts'

const CHUNK_BYTES = 4 * 1024 * 1024

/** @returns bytes written */
export function floor(
  source: string,
  target: string,
  { engine, level }: { engine: EngineName; level: number },
): number {
  const tar = gunzipSync(readFileSync(source), { chunkSize: CHUNK_BYTES })
  const compressor = createMemberCompressor(level, engine)
  const output = Buffer.allocUnsafeSlow(memberBytesMax(CHUNK_BYTES))
  const [uncompressed, blob] = [new DigestCounter(), new DigestCounter()]
  const file = openSync(target, 'w')
  try {
    for (let start = 0; start < tar.length; start += CHUNK_BYTES) {
      const chunk = tar.subarray(start, start + CHUNK_BYTES)
      uncompressed.update(chunk)
      const bytes = compressor.compress(chunk, Uint32Array.of(chunk.length), output, new Uint32Array(1))
      const member = output.subarray(0, bytes)
      blob.update(member)
      for (let written = 0; written < bytes; ) written += writeSync(file, member, written)
    }
  } finally {
    closeSync(file)
  }
  uncompressed.digest()
  blob.digest()
  return blob.sizeBytes
}
