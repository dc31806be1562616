/** An image that was analysed with a record of its workload, as what the model is fed with. */
import type { RecordHeader } from '../../shared/record.ts'
import type { ChunkPlace, FileAnalysis, ImageAnalysis, LayerAnalysis } from '../plan/analysis.ts'
import type { AccessOfStart, LayerOfStart, LazyLayer, StartFacts, StoredPiece } from './start-facts.ts'

/** A header block in the tar, and what pads content to the next one. */
const TAR_OVERHEAD_BYTES = 768
/** Compressed bytes of a table of contents for each file, where there is none yet: mostly digests. */
const TOC_BYTES_PER_FILE = 45
/** Where the real size is not known: as clients limit what they read. */
const DOCUMENT_BYTES = 4096
const PIECE_CONTENT_BYTES = 4 * 1024 ** 2

/** When a workload is up, and how that is known. */
export interface OwnTime {
  seconds: number
  /** `ready`: its ready rules were met; `end`: it has ended by itself; `reads`: it has read its last file of the image. */
  until: 'ready' | 'end' | 'reads'
}

/**
 * Of a machine that has the whole image.
 * @returns undefined where the record has no times: the original's form, or an import of it
 */
export function ownTime(header: RecordHeader | null, files: readonly FileAnalysis[]): OwnTime | undefined {
  if (header === null || (header.stop.rule === 'import' && header.durationSeconds === 0)) return undefined
  if (header.stop.readySeconds !== null) return { seconds: header.stop.readySeconds, until: 'ready' }
  const [first] = header.workloads ?? []
  if (header.stop.rule === 'exit') return { seconds: (first ?? header).durationSeconds, until: 'end' }
  let last = 0
  for (const { access } of files)
    if (isOfFirst(header, access) && access?.kinds.includes('copy-up') === false)
      last = Math.max(last, access.firstAccessMicroseconds ?? 0)
  return { seconds: last / 1e6, until: 'reads' }
}

/** As the image is: layers with a table of contents lazily, others in full. */
export function factsAsIs(analysis: ImageAnalysis, own: OwnTime): StartFacts {
  return { ...commonFacts(analysis, own), layers: analysis.layers.map(layerAsIs) }
}

/** As the image would be with what was read first: by its plan where it is one, else estimated from its sizes. */
export function factsByRecord(analysis: ImageAnalysis, own: OwnTime): StartFacts {
  const layouts = analysis.layers.map((layer) => plannedLayout(layer, analysis.kind))
  const { accesses, ...common } = commonFacts(
    analysis,
    own,
    (layer, file) => layouts[layer]?.places.get(file) ?? [],
  )
  return { ...common, accesses, layers: layouts.map(({ layer }) => layer) }
}

type PiecesOf = (layer: number, file: FileAnalysis) => readonly StoredPiece[]

function commonFacts(
  { digest, manifestDigest, layers, records }: ImageAnalysis,
  { seconds }: OwnTime,
  piecesOf: PiecesOf = (_, { chunks }) => (chunks ?? []).map(storedPiece),
): Omit<StartFacts, 'layers'> {
  const header = records[0]?.header ?? null
  const read = layers.flatMap(({ files, index }) =>
    files.flatMap((file) => {
      const at = (file.access?.firstAccessMicroseconds ?? 0) / 1e6
      return isOfFirst(header, file.access) && at <= seconds ? { file, at, layer: index } : []
    }),
  )
  read.sort((one, other) => (one.file.access?.rank ?? 0) - (other.file.access?.rank ?? 0))
  const accesses: AccessOfStart[] = read.map(({ file, at, layer }) => ({
    atSeconds: at,
    layer,
    pieces: piecesOf(layer, file),
  }))
  return { documentBytes: DOCUMENT_BYTES, hasIndex: digest !== manifestDigest, accesses, ownSeconds: seconds }
}

/** Of several workloads the times are each one's own: the first is what the image is started for. */
function isOfFirst(header: RecordHeader | null, access: FileAnalysis['access']): boolean {
  if (access === null || access.record !== 0) return false
  return access.workload === null || access.workload === header?.workloads?.[0]?.name
}

function storedPiece({ offset, memberBytes, chunkBytes }: ChunkPlace): StoredPiece {
  return [offset, memberBytes, chunkBytes]
}

function layerAsIs(layer: LayerAnalysis): LayerOfStart {
  const { sums, tocBytes, contentEndBytes } = layer
  const lazy: LazyLayer | null =
    tocBytes === null || contentEndBytes === null
      ? null
      : {
          tocOffset: contentEndBytes,
          tocBytes,
          ...(contentEndBytes + tocBytes > sums.sizeBytes ? { isTocApart: true as const } : {}),
          prefetchBytes: layer.landmark === 'prefetch' ? sums.hotZoneBytes : 0,
          prefetchFiles: layer.landmark === 'prefetch' ? sums.hotFiles : 0,
          prefetchContentBytes: layer.landmark === 'prefetch' ? sums.hotContentBytes : 0,
        }
  return { ...sizes(layer), lazy }
}

function sizes({ sums, format }: LayerAnalysis): Omit<LayerOfStart, 'lazy'> {
  return {
    sizeBytes: sums.sizeBytes,
    uncompressedBytes: sums.contentBytes + sums.files * TAR_OVERHEAD_BYTES,
    files: sums.files,
    compression: format === 'tar' ? 'none' : /^zstd/.test(format) ? 'zstd' : 'gzip',
  }
}

interface Layout {
  layer: LayerOfStart
  places: Map<FileAnalysis, StoredPiece[]>
}

/** Files that were read stand at the beginning, in their order; in a plan those that it puts there. */
function plannedLayout(layer: LayerAnalysis, kind: ImageAnalysis['kind']): Layout {
  const { sums, files, tocBytes: knownTocBytes, contentEndBytes } = layer
  const isPlan = kind === 'planned'
  const first = files.filter((file) => (isPlan ? file.hot : file.access !== null))
  const ratio = sums.contentBytes === 0 ? 1 : Math.min(1, sums.sizeBytes / sums.contentBytes)
  const stored = (file: FileAnalysis) => file.compressedBytes ?? Math.ceil(file.sizeBytes * ratio)
  const places = new Map<FileAnalysis, StoredPiece[]>()
  let offset = 0
  for (const file of first) {
    places.set(file, cut(offset, stored(file), file.sizeBytes))
    offset += stored(file)
  }
  const prefetchBytes = isPlan ? Math.max(offset, sums.hotZoneBytes) : offset
  const tocBytes = knownTocBytes ?? sums.files * TOC_BYTES_PER_FILE
  const sizeBytes = Math.max(contentEndBytes ?? sums.sizeBytes, prefetchBytes) + tocBytes
  let behind = prefetchBytes
  for (const file of files)
    if (file.access !== null && !places.has(file)) {
      places.set(file, cut(behind, stored(file), file.sizeBytes))
      behind += stored(file)
    }
  const lazy: LazyLayer = {
    tocOffset: sizeBytes - tocBytes,
    tocBytes,
    prefetchBytes,
    prefetchFiles: first.length,
    prefetchContentBytes: first.reduce((sum, file) => sum + file.sizeBytes, 0),
  }
  const { compression, ...others } = sizes(layer)
  // A plan is of what would be written, whatever the source is compressed by.
  return { layer: { ...others, compression: isPlan ? 'gzip' : compression, sizeBytes, lazy }, places }
}

/** A file as chunks of the usual size, compressed alike. */
function cut(offset: number, storedBytes: number, contentBytes: number): StoredPiece[] {
  const pieces: StoredPiece[] = []
  for (let at = 0; at < contentBytes; at += PIECE_CONTENT_BYTES) {
    const content = Math.min(PIECE_CONTENT_BYTES, contentBytes - at)
    const from = Math.floor((storedBytes * at) / contentBytes)
    const to = Math.floor((storedBytes * (at + content)) / contentBytes)
    pieces.push([offset + from, to - from, content])
  }
  return pieces
}
