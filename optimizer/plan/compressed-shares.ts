import type { ChunkPlace } from './analysis.ts'

/**
 * How many compressed bytes a file has: of its members, and of those that it shares its part by content.
 * @param all chunks of the layer
 */
export function compressedShares(all: Iterable<ChunkPlace>): (chunks: readonly ChunkPlace[]) => number {
  const contents = new Map<number, number>()
  for (const { offset, chunkBytes } of all) contents.set(offset, (contents.get(offset) ?? 0) + chunkBytes)
  return (chunks) =>
    Math.round(
      chunks.reduce(
        (sum, { offset, memberBytes, chunkBytes }) =>
          sum + (memberBytes * chunkBytes) / (contents.get(offset) ?? chunkBytes),
        0,
      ),
    )
}
