/** What `optimizer optimize --json` and `optimizer convert --json` print. Fields are only added; a change of meaning raises the version. */
import type { AccessRecord, RecordCounters, RecordedWorkload, RecordHeader } from '../shared/record.ts'
import type { Conversion, ConvertedPlatform } from './conversion.ts'
import type { ConvertedImage } from './convert/image.ts'
import type { ConvertedLayer } from './convert/layer.ts'
import type { Digest } from './image/digest.ts'
import { formatPlatform } from './image/platform.ts'
import type { OrderOrigin } from './image-order.ts'
import type { LeftOut } from './plan/analysis.ts'
import { type ShortPlan, shortPlan } from './short-plan.ts'
import type { StageTime } from './stages.ts'
import type { ResolvedImages } from './store/resolve.ts'
import type { PathKey, TarNotes } from './tar/entry.ts'

export const RESULT_SCHEMA_VERSION = 1

/** `source.platform`, `record` and `layers` are of the first platform, which mostly is the only one. */
export interface ConversionResult {
  schemaVersion: typeof RESULT_SCHEMA_VERSION
  source: { name: string; digest: Digest; platform: string }
  /** `digest` is what the new name points at: an index where the source was one, else the manifest. */
  target: { name: string; digest: Digest }
  /** null when nothing was run. */
  record: RecordSummary | null
  layers: LayerResult[]
  /** In the order of the index. */
  platforms: PlatformResult[]
  attestations: { kept: number; dropped: number }
  /** Other manifests of the source's index that the result lacks. */
  leftOut: number
  /** The image that holds the layers' TOCs where they have them not inside. */
  tocImage: { name: string; digest: Digest } | null
  stages: StageTime[]
  /** Bytes of the result depend on engine, version and levels; null where nothing is compressed. */
  engine: { name: string; version: string; level: number; prefetchLevel: number } | null
}

export interface PlatformResult {
  platform: string
  source: { manifestDigest: Digest }
  target: { manifestDigest: Digest }
  order: OrderResult
  record: RecordSummary | null
  layers: LayerResult[]
  plan: ShortPlan
}

/** How it was known what comes first. */
export interface OrderResult {
  kind: OrderOrigin['kind']
  /** Records that were given. */
  recordsIn: string[]
  /** Paths wanted that are in no layer they were wanted in. */
  missingPaths: number
  /** Lines of the prefetch list that name nothing of the image, or leave nothing out. */
  unknownLines: number
  /** Globs of --exclude that match no file of the image. */
  unknownExclusions: number
  /** Most compressed bytes that were to come first in all layers (`--prefetch-budget`); null for any number. */
  budgetBytes: number | null
  /** What was wanted and does not come first, and why (`--prefetch-budget`, `--exclude`, the list). */
  leftOut: LeftOut[]
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
  /** Each of several; absent where there was one. */
  workloads?: RecordedWorkload[]
}

export interface LayerResult {
  /** Position in the manifest, 0 = lowest. */
  index: number
  source: { digest: Digest; sizeBytes: number }
  target: { digest: Digest; sizeBytes: number; diffId: Digest; tocDigest: Digest | null }
  /** Of the new layer, its TOC included. */
  uncompressedBytes: number
  /** The source's blob, byte for byte (`--reuse`). */
  reused: boolean
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
  resolved: ResolvedImages
  targetName: string
  conversion: Conversion<OrderOrigin>
  stages: StageTime[]
}

export function conversionResult({
  resolved,
  targetName,
  conversion,
  stages,
}: ResultParts): ConversionResult {
  const platforms = conversion.platforms.map(platformResult)
  const [first] = platforms as [PlatformResult]
  return {
    schemaVersion: RESULT_SCHEMA_VERSION,
    source: { name: resolved.name, digest: resolved.root.digest, platform: first.platform },
    target: { name: targetName, digest: conversion.target.digest },
    record: first.record,
    layers: first.layers,
    platforms,
    attestations: conversion.attestations,
    leftOut: conversion.leftOut,
    tocImage:
      conversion.tocImage === null
        ? null
        : { name: conversion.tocImage.label, digest: conversion.tocImage.target.digest },
    stages,
    engine: engineOf((conversion.platforms[0] as ConvertedPlatform<OrderOrigin>).converted),
  }
}

function engineOf({ format }: ConvertedImage): ConversionResult['engine'] {
  if (format === null) return null
  const { engine, codec, hotCodec } = format
  const { name, version } = engine
  return { name, version, level: codec.level, prefetchLevel: hotCodec.level }
}

function platformResult(platform: ConvertedPlatform<OrderOrigin>): PlatformResult {
  const { source, converted, order } = platform
  const { kind, record, records, unknownLines } = order.origin
  return {
    platform: formatPlatform(source.platform),
    source: { manifestDigest: source.descriptor.digest },
    target: { manifestDigest: converted.manifest.digest },
    order: {
      kind,
      recordsIn: kind === 'given' ? records.map(({ file }) => file) : [],
      missingPaths: missingPaths(converted.layers, order.paths),
      unknownLines,
      unknownExclusions: order.unknownExclusions,
      budgetBytes: order.budgetBytes,
      leftOut: order.leftOut,
    },
    record: record === null ? null : recordSummary(record),
    layers: converted.layers.map(layerResult),
    plan: shortPlan(platform),
  }
}

function missingPaths(
  layers: readonly ConvertedLayer[],
  wanted: readonly (readonly PathKey[])[] | null,
): number {
  const missing = new Set(layers.flatMap((layer) => layer.missing))
  for (const [index, paths] of (wanted ?? []).entries()) {
    const absent = new Set(layers[index]?.missing)
    for (const path of paths) if (!absent.has(path)) missing.delete(path)
  }
  return missing.size
}

export function recordSummary({ header, entries }: AccessRecord): RecordSummary {
  const { complete, incompleteReasons, counters, mark, stop, durationSeconds, exitStatus, workloads } = header
  const files = new Set(entries.map((entry) => `${entry.layerIndex} ${entry.path.toString('latin1')}`)).size
  return {
    ...{ files, complete, incompleteReasons, counters, mark, stop, durationSeconds, exitStatus },
    ...(workloads === undefined ? {} : { workloads }),
  }
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
    reused: layer.reused,
    entries: layer.entries,
    prioritizedFiles: layer.prioritizedFiles,
    prioritizedBytes: layer.prioritizedBytes,
    hotZoneBytes: layer.hotZoneBytes,
    notes: layer.notes,
  }
}
