/** What `optimizer optimize --json` prints. Fields are only added; a change of meaning raises the version. */
import type { AccessRecord, RecordCounters, RecordHeader } from '../shared/record.ts'
import type { ConvertedImage } from './convert/image.ts'
import type { ConvertedLayer } from './convert/layer.ts'
import type { Digest } from './image/digest.ts'
import { formatPlatform } from './image/platform.ts'
import type { StageTime } from './stages.ts'
import type { ResolvedImage } from './store/resolve.ts'
import type { TarNotes } from './tar/entry.ts'

export const RESULT_SCHEMA_VERSION = 1

export interface OptimizeResult {
  schemaVersion: typeof RESULT_SCHEMA_VERSION
  source: { name: string; digest: Digest; platform: string }
  /** `digest` is what the new name points at: an index where the source was one, else the manifest. */
  target: { name: string; digest: Digest }
  /** null when nothing was run (`--no-optimize`). */
  record: RecordSummary | null
  layers: LayerResult[]
  stages: StageTime[]
  /** Bytes of the result depend on engine, version and levels; null where nothing is compressed. */
  engine: { name: string; version: string; level: number; prefetchLevel: number } | null
}

export interface RecordSummary {
  /** Files of the image that were read, each counted once. */
  files: number
  complete: boolean
  /** Why not; empty otherwise. */
  incompleteReasons: string[]
  counters: RecordCounters
  mark: RecordHeader['mark']
  stop: RecordHeader['stop']
  durationSeconds: number
  exitStatus: number | null
}

export interface LayerResult {
  /** Position in the manifest, 0 = lowest. */
  index: number
  source: { digest: Digest; sizeBytes: number }
  target: { digest: Digest; sizeBytes: number; diffId: Digest; tocDigest: Digest | null }
  /** Of the new layer, its TOC included. */
  uncompressedBytes: number
  /** Entries of the layer, directories and links included. */
  entries: number
  prioritizedFiles: number
  /** Content of the prioritized files, uncompressed. */
  prioritizedBytes: number
  /** Compressed bytes before the landmark: what a client fetches first. */
  hotZoneBytes: number
  notes: TarNotes
}

export interface ResultParts {
  source: ResolvedImage
  targetName: string
  record: AccessRecord | null
  converted: ConvertedImage
  stages: StageTime[]
}

export function optimizeResult({
  source,
  targetName,
  record,
  converted,
  stages,
}: ResultParts): OptimizeResult {
  return {
    schemaVersion: RESULT_SCHEMA_VERSION,
    source: { name: source.name, digest: source.root.digest, platform: formatPlatform(source.platform) },
    target: { name: targetName, digest: converted.target.digest },
    record: record === null ? null : recordSummary(record),
    layers: converted.layers.map(layerResult),
    stages,
    engine: engineOf(converted),
  }
}

function engineOf({ format }: ConvertedImage): OptimizeResult['engine'] {
  if (format === null) return null
  const { engine, codec, hotCodec } = format
  return { ...engine, level: codec.level, prefetchLevel: hotCodec.level }
}

export function recordSummary({ header, entries }: AccessRecord): RecordSummary {
  const { complete, incompleteReasons, counters, mark, stop, durationSeconds, exitStatus } = header
  const files = new Set(entries.map((entry) => `${entry.layerIndex} ${entry.path.toString('latin1')}`)).size
  return { files, complete, incompleteReasons, counters, mark, stop, durationSeconds, exitStatus }
}

function layerResult(layer: ConvertedLayer): LayerResult {
  return {
    index: layer.index,
    source: { digest: layer.source.digest, sizeBytes: layer.source.size },
    target: {
      digest: layer.target.digest,
      sizeBytes: layer.target.size,
      diffId: layer.diffId,
      tocDigest: layer.tocDigest,
    },
    uncompressedBytes: layer.uncompressedBytes,
    entries: layer.entries,
    prioritizedFiles: layer.prioritizedFiles,
    prioritizedBytes: layer.prioritizedBytes,
    hotZoneBytes: layer.hotZoneBytes,
    notes: layer.notes,
  }
}
