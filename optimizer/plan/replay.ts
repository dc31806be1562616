/** How much of what a run has read was in the hot zone, and how much of the hot zone it has read. */
import { CodedError, EXIT } from '../../shared/errors.ts'
import { countedFiles, formatBytes, printablePath } from '../../shared/text.ts'
import type { FileAnalysis, ImageAnalysis } from './analysis.ts'
import { contentOf } from './sums.ts'
import { percent } from './warnings.ts'

export interface ReplaySums {
  files: number
  /** Uncompressed. */
  contentBytes: number
  /** What a client fetches for them, compressed. */
  compressedBytes: number
}

export interface ReplayedFile {
  path: string
  layerIndex: number
  sizeBytes: number
  compressedBytes: number
}

/** What a client finds that has fetched the hot zone ahead. Files without content cost nothing and are left out. */
export interface Replay {
  /** Compressed bytes that are fetched ahead. */
  hotZoneBytes: number
  /** Files that the run has opened. */
  reads: ReplaySums
  /** Of these, in the hot zone. */
  hits: ReplaySums
  /** Of these, fetched on demand; the files in the order in which they were read. */
  misses: ReplaySums & { paths: ReplayedFile[] }
  /** Fetched ahead and never opened; the largest first. */
  waste: ReplaySums & { paths: ReplayedFile[] }
  /** Share of the reads that were hits, 0 to 1; 1 where nothing was read. */
  hitShare: { files: number; bytes: number }
}

/** @param analysis of the finished image, with the record of the run */
export function replayOf({ layers, sums }: Pick<ImageAnalysis, 'layers' | 'sums'>): Replay {
  const files = layers.flatMap(({ index, files }) =>
    files.filter(({ sizeBytes }) => sizeBytes > 0).map((file) => ({ ...file, layerIndex: index })),
  )
  const reads = files.filter(({ access }) => access !== null)
  const hits = reads.filter(({ hot }) => hot)
  const misses = reads.filter(({ hot }) => !hot).sort((a, b) => (a.access?.rank ?? 0) - (b.access?.rank ?? 0))
  const waste = files
    .filter(({ hot, access }) => hot && access === null)
    .sort((a, b) => b.sizeBytes - a.sizeBytes || a.layerIndex - b.layerIndex)
  return {
    hotZoneBytes: sums.hotZoneBytes,
    reads: sumsOf(reads),
    hits: sumsOf(hits),
    misses: { ...sumsOf(misses), paths: misses.map(replayed) },
    waste: { ...sumsOf(waste), paths: waste.map(replayed) },
    hitShare: {
      files: share(hits.length, reads.length),
      bytes: share(contentOf(hits), contentOf(reads)),
    },
  }
}

function sumsOf(files: readonly FileAnalysis[]): ReplaySums {
  const compressedBytes = files.reduce((sum, file) => sum + (file.compressedBytes ?? 0), 0)
  return { files: files.length, contentBytes: contentOf(files), compressedBytes }
}

function replayed(file: FileAnalysis & { layerIndex: number }): ReplayedFile {
  const { path, layerIndex, sizeBytes, compressedBytes } = file
  return { path, layerIndex, sizeBytes, compressedBytes: compressedBytes ?? 0 }
}

function share(part: number, whole: number): number {
  return whole === 0 ? 1 : part / whole
}

/** Files that are named; `--json` has all. */
const NAMED_MAX = 20

export function formatReplay({ reads, hits, misses, waste, hotZoneBytes }: Replay): string {
  return [
    `read: ${sumsText(reads)}, those without content left aside`,
    `hit: ${sumsText(hits)}: ${percent(hits.files, reads.files)} of the files, ${percent(hits.contentBytes, reads.contentBytes)} of the bytes`,
    `missed: ${sumsText(misses)}, fetched on demand`,
    ...namedLines(misses.paths),
    `wasted: ${sumsText(waste)}, never read, of the ${formatBytes(hotZoneBytes)} that are fetched ahead`,
    ...namedLines(waste.paths),
    '',
  ].join('\n')
}

function sumsText({ files, contentBytes, compressedBytes }: ReplaySums): string {
  return `${countedFiles(files)}, ${formatBytes(contentBytes)} (${formatBytes(compressedBytes)} compressed)`
}

function namedLines(files: readonly ReplayedFile[]): string[] {
  const lines = files
    .slice(0, NAMED_MAX)
    .map(
      ({ path, layerIndex, sizeBytes }) =>
        `${printablePath(path)} (layer ${layerIndex}, ${formatBytes(sizeBytes)})`,
    )
  const rest = files.length - NAMED_MAX
  return [...lines, ...(rest > 0 ? [`and ${rest} more`] : [])].map((line) => `  ${line}`)
}

/** `94.9 %`: never rounded up to a minimum that was missed. */
function shareBelow(share: number): string {
  // 0.29 * 1000 is a little less than 290.
  return `${Math.floor(share * 1000 + 1e-6) / 10} %`
}

/** @returns null where both shares are at least so much */
export function hitError({ hitShare }: Replay, minHit: number): CodedError | null {
  const { files, bytes } = hitShare
  if (files >= minHit && bytes >= minHit) return null
  return new CodedError(
    'HIT_BELOW_MINIMUM',
    `the hot zone had ${shareBelow(files)} of the files that were read and ${shareBelow(bytes)} of their bytes, ` +
      `--min-hit asks for ${shareBelow(minHit)} of both: record again, and convert by that`,
    { exitCode: EXIT.verification },
  )
}
