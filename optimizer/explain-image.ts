/** `optimizer explain`: what comes first in a finished image, from its tables of contents; nothing is unpacked. */
import { SOURCE_ANNOTATION } from './convert/documents.ts'
import { TOC_DIGEST_ANNOTATION } from './estargz/estargz-format.ts'
import type { LayerToc } from './estargz/reader.ts'
import type { Descriptor } from './image/descriptor.ts'
import { formatPlatform } from './image/platform.ts'
import { type FindTocs, findToc, formatOf, tocDigests } from './inspect.ts'
import { otherImage } from './order/given-order.ts'
import type { GivenRecord } from './order/record-file.ts'
import { type AccessedLayer, addAccesses } from './plan/accesses.ts'
import type { AnalysisWarning, ImageAnalysis, LayerAnalysis } from './plan/analysis.ts'
import { filesOfToc } from './plan/files-of-toc.ts'
import { cleanText, textOf } from './plan/paths.ts'
import { sumsOf, totalOf } from './plan/sums.ts'
import { warningsOf } from './plan/warnings.ts'
import type { ResolvedImage } from './store/resolve.ts'
import type { ContentStore } from './store/store.ts'

export interface ExplainSources {
  records: readonly GivenRecord[]
  /** Records of any image, about any of the layers, by path alone. */
  recordAnyLayer: boolean
}

export interface ExplainedImage {
  analysis: ImageAnalysis
  /** Of each layer; undefined where there is none. */
  tocs: (LayerToc | undefined)[]
}

/**
 * @throws {TocError} @throws {NotFoundError} a layer, or the blob of its TOC
 * @throws {PreconditionError} RECORD_OF_ANOTHER_IMAGE
 */
export async function explainImage(
  content: ContentStore,
  image: ResolvedImage,
  findTocs: FindTocs,
  sources: ExplainSources = { records: [], recordAnyLayer: false },
): Promise<ImageAnalysis> {
  return (await explainWithTocs(content, image, findTocs, sources)).analysis
}

/** The same, with the TOCs it is from. @throws as {@link explainImage} */
export async function explainWithTocs(
  content: ContentStore,
  image: ResolvedImage,
  findTocs: FindTocs,
  sources: ExplainSources,
): Promise<ExplainedImage> {
  const manifestDigests = sources.recordAnyLayer ? null : manifestsOf(image)
  requireRecordsFit(image, manifestDigests, sources)
  const read = namedPaths(sources.records, manifestDigests)
  const layers: FoundLayer[] = []
  for (const [index, descriptor] of image.manifest.layers.entries())
    layers.push(await explainLayer(content, descriptor, index, findTocs, (path) => read.has(index, path)))
  const analysed = layers.map(({ layer }) => layer)
  const { records } = addAccesses(layers.map(accessedLayer), { records: sources.records, manifestDigests })
  for (const layer of analysed) layer.sums = sumsOf(layer.sums, layer.files)
  const analysis = {
    kind: 'finished' as const,
    name: image.name,
    digest: image.root.digest,
    manifestDigest: image.descriptor.digest,
    platform: formatPlatform(image.platform),
    sourceManifestDigest: image.manifest.annotations?.[SOURCE_ANNOTATION] ?? null,
    records,
    layers: analysed,
    sums: totalOf(analysed.map(({ sums }) => sums)),
    leftOut: [],
    unknownLines: 0,
    unknownExclusions: 0,
  }
  const warnings = [...warningsOf(analysis), ...layers.flatMap(({ warnings }) => warnings)]
  return { analysis: { ...analysis, warnings }, tocs: layers.map(({ toc }) => toc) }
}

/** Those that a record of its layers may name: its own, and that of the image that it was made from. */
function manifestsOf({ descriptor, manifest }: ResolvedImage): string[] {
  const source = manifest.annotations?.[SOURCE_ANNOTATION]
  return source === undefined ? [descriptor.digest] : [descriptor.digest, source]
}

function requireRecordsFit(
  image: ResolvedImage,
  manifestDigests: readonly string[] | null,
  { records }: ExplainSources,
): void {
  if (manifestDigests === null) return
  for (const given of records) {
    const fits = given.record.entries.some(({ manifestDigest }) =>
      manifestDigests.includes(manifestDigest ?? ''),
    )
    if (!fits) {
      const meant = manifestDigests.map((manifestDigest) => ({ manifestDigest, platform: image.platform }))
      throw otherImage(given, meant, 'what is looked at, or what it was made from,')
    }
  }
}

interface FoundLayer {
  layer: LayerAnalysis
  toc: LayerToc | undefined
  warnings: AnalysisWarning[]
}

async function explainLayer(
  content: ContentStore,
  descriptor: Descriptor,
  index: number,
  findTocs: FindTocs,
  isRead: (path: string) => boolean,
): Promise<FoundLayer> {
  const { toc, isExternal, tocBytes } = await findToc(content, descriptor, findTocs)
  const { files, hotZoneBytes } = toc === undefined ? { files: [], hotZoneBytes: 0 } : filesOfToc(toc, isRead)
  const layer: LayerAnalysis = {
    index,
    digest: descriptor.digest,
    format: toc?.format ?? (isExternal ? 'estargz' : await formatOf(content, descriptor)),
    landmark: toc?.landmark?.kind ?? null,
    tocBytes: toc === undefined ? null : tocBytes,
    contentEndBytes: toc?.contentBytes ?? null,
    sums: sumsOf({ sizeBytes: descriptor.size, hotZoneBytes }, files),
    files,
  }
  return { layer, toc, warnings: toc === undefined ? [] : annotationWarnings(descriptor, index, toc) }
}

function annotationWarnings(descriptor: Descriptor, index: number, toc: LayerToc): AnalysisWarning[] {
  const { digest, annotatedDigest } = tocDigests(descriptor, toc)
  if (annotatedDigest === digest) return []
  const what =
    annotatedDigest === null
      ? `does not annotate its TOC's digest (${TOC_DIGEST_ANNOTATION})`
      : `promises the TOC ${annotatedDigest}, found is ${digest}`
  const message = `layer ${index}: the manifest ${what}, so clients will not pull it lazily`
  return [{ code: 'TOC_NOT_ANNOTATED', message, layerIndex: index, path: null }]
}

function accessedLayer({ layer, toc }: FoundLayer): AccessedLayer {
  const paths = new Set((toc?.toc.entries ?? []).map(({ name }) => cleanText(name)))
  return { files: layer.files, has: (path) => paths.has(path) }
}

/** Paths that records name in a layer. */
function namedPaths(
  records: readonly GivenRecord[],
  manifestDigests: readonly string[] | null,
): { has(layerIndex: number, path: string): boolean } {
  const named = new Set<string>()
  for (const { record } of records)
    for (const { path, manifestDigest, layerIndex } of record.entries)
      if (manifestDigests === null) named.add(textOf(path))
      else if (manifestDigests.includes(manifestDigest ?? '')) named.add(`${layerIndex} ${textOf(path)}`)
  return {
    has: (layerIndex, path) => named.has(manifestDigests === null ? path : `${layerIndex} ${path}`),
  }
}
