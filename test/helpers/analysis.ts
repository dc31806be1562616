/** Analyses of images as a report is made of them. */
import type {
  FileAccess,
  FileAnalysis,
  ImageAnalysis,
  LayerAnalysis,
  ZoneSums,
} from '../../optimizer/plan/analysis.ts'
import type { RecordHeader } from '../../shared/record.ts'

export interface FileText {
  path: string
  sizeBytes?: number
  hot?: boolean
  /** Seconds since the start; absent where nobody has read it. */
  readAt?: number
  process?: string | null
}

const DIGEST = `sha256:${'0'.repeat(64)}` as const

export function headerOf(parts: Partial<RecordHeader> = {}): RecordHeader {
  return {
    schemaVersion: 1,
    recordedBy: '@hotlayer/optimizer 0.0.0',
    image: { reference: 'docker.io/library/web:1', manifestDigest: DIGEST, platform: 'linux/amd64' },
    workload: { args: ['python3', '/srv/app.py'], envNames: [], cwd: '/', user: '' },
    kernel: '6.1.0',
    mark: { kind: 'filesystem', reason: 'the root is an overlay' },
    reads: false,
    stop: { rule: 'settle', reason: 'no new file was opened for 500 ms', readySeconds: 0.8 },
    started: '2026-03-01T12:00:00.000Z',
    durationSeconds: 1.5,
    exitStatus: 137,
    counters: {
      ...{
        read: 0,
        merged: 0,
        sent: 0,
        overflows: 0,
        descriptorErrors: 0,
        unresolved: 0,
        deleted: 0,
        ignoredOwn: 0,
      },
      ...{ received: 0, outsideLayers: 0, madeAtRunTime: 0, copiedUp: 0, byProbe: 0, createLeftOut: 0 },
    } as RecordHeader['counters'],
    complete: true,
    incompleteReasons: [],
    ...parts,
  }
}

/** A finished image; files in a layer in this order, each a third as large in its blob. */
export function analysisOf(
  layers: readonly (readonly FileText[])[],
  parts: Partial<Pick<ImageAnalysis, 'name' | 'kind' | 'warnings'>> & { header?: RecordHeader | null } = {},
): ImageAnalysis {
  const { header = headerOf(), ...others } = parts
  let rank = 0
  const analysed = layers.map((files, index) => layerOf(files, index, () => rank++))
  const read = analysed.flatMap(({ files }) => files).filter(({ access }) => access !== null)
  return {
    kind: 'finished',
    name: 'docker.io/library/web:1',
    digest: DIGEST,
    manifestDigest: DIGEST,
    platform: 'linux/amd64',
    sourceManifestDigest: null,
    records: read.length === 0 && header === null ? [] : [{ file: 'web.jsonl', header, files: read.length }],
    layers: analysed,
    sums: sumOf(analysed.map(({ sums }) => sums)),
    leftOut: [],
    unknownLines: 0,
    unknownExclusions: 0,
    warnings: [],
    ...others,
  }
}

function layerOf(texts: readonly FileText[], index: number, nextRank: () => number): LayerAnalysis {
  let offset = 0
  const files = texts.map((text): FileAnalysis => {
    const { path, sizeBytes = 3000, hot = false } = text
    const memberBytes = Math.ceil(sizeBytes / 3)
    const chunk = { chunkOffset: 0, chunkBytes: sizeBytes, offset, memberBytes, innerOffset: 0 }
    offset += memberBytes
    return {
      ...{ path, sizeBytes, hot, links: [] },
      chunks: sizeBytes > 0 ? [chunk] : [],
      compressedBytes: memberBytes,
      access: accessOf(text, nextRank),
    }
  })
  const tocBytes = 40 * files.length + 51
  const total = (some: readonly FileAnalysis[]) => some.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
  const [hot, read] = [files.filter((file) => file.hot), files.filter(({ access }) => access !== null)]
  const hit = read.filter((file) => file.hot)
  return {
    ...{ index, digest: DIGEST, format: 'estargz' },
    landmark: hot.length > 0 ? 'prefetch' : 'no-prefetch',
    tocBytes,
    contentEndBytes: offset,
    sums: {
      ...{ sizeBytes: offset + tocBytes, files: files.length, contentBytes: total(files) },
      ...{ hotFiles: hot.length, hotContentBytes: total(hot) },
      hotZoneBytes: hot.reduce((sum, file) => sum + (file.compressedBytes ?? 0), 0),
      ...{ readFiles: read.length, readContentBytes: total(read) },
      ...{ hitFiles: hit.length, hitContentBytes: total(hit) },
    },
    files,
  }
}

function accessOf({ readAt, process = 'python3' }: FileText, nextRank: () => number): FileAccess | null {
  if (readAt === undefined) return null
  const rank = nextRank()
  return {
    ...{ record: 0, line: rank + 2, rank, kinds: ['open'], evidence: 'unknown', pid: 7, process },
    ...{ phase: readAt < 0 ? 'create' : 'run', firstAccessMicroseconds: readAt * 1e6 },
    ...{ probe: false, workload: null },
  }
}

function sumOf(sums: readonly ZoneSums[]): ZoneSums {
  const keys = Object.keys(sums[0] ?? {}) as (keyof ZoneSums)[]
  return Object.fromEntries(
    keys.map((key) => [key, sums.reduce((total, each) => total + each[key], 0)]),
  ) as unknown as ZoneSums
}
