/** One layer of the target against the same layer of the source. */

import { PreconditionError } from '../../shared/errors.ts'
import {
  hasExternalToc,
  type LayerToc,
  type LazyFormat,
  type ReadAt,
  readExternalToc,
  readToc,
} from '../estargz/reader.ts'
import { tarSplitLines } from '../estargz/tar-split-lines.ts'
import { TocError } from '../estargz/toc.ts'
import { readStoredTarSplit } from '../estargz/zstdchunked-reader.ts'
import type { Descriptor } from '../image/descriptor.ts'
import type { Digest } from '../image/digest.ts'
import { infoOf, readRange } from '../store/read-blob.ts'
import type { ContentStore } from '../store/store.ts'
import { compareLayerAnnotations } from './compare-documents.ts'
import { compareLayer, type LayerComparison } from './compare-layer.ts'
import { compareToc, type TocComparison } from './compare-toc.ts'
import { checkCompression, MAGIC_BYTES } from './compression.ts'
import type { Findings } from './difference.ts'
import { checkLandmarks, checkTocPlace } from './landmarks.ts'
import { FORMAT_RULES, TOC_ANNOTATIONS } from './lazy-format.ts'
import { type Scan, type ScanRequest, scanLayer } from './scan.ts'
import { TarSplitCheck } from './tar-split-check.ts'
import { claimsOf, type TocItem, tocItems } from './toc-claims.ts'
import type { TocLayers } from './toc-layers.ts'

export interface LayerSide {
  content: ContentStore
  descriptor: Descriptor
  /** As the config says. */
  diffId: Digest
}

/** The target's layer, and where its TOC is when it is not inside. */
export interface TargetSide extends LayerSide {
  tocs: Pick<TocLayers, 'read'>
}

export type TargetFormat = LazyFormat | 'gzip' | 'zstd' | 'tar'

export interface VerifiedLayer {
  source: Scan
  /** undefined: it could not be read; why not is among the findings. */
  target: Scan | undefined
  format: TargetFormat | null
  comparison: LayerComparison | undefined
  toc: TocComparison | undefined
}

export async function verifyLayer(
  source: LayerSide,
  target: TargetSide,
  findings: Findings,
  signal: AbortSignal | undefined,
): Promise<VerifiedLayer> {
  compareLayerAnnotations(source.descriptor, target.descriptor, findings)
  const head = await readHead(target, findings)
  if (head === undefined) return { ...nothing, source: await scanSource(source, signal) }
  const items = head.toc === undefined ? [] : tocItems(head.toc)
  const claims = head.toc === undefined ? undefined : claimsOf(head.toc, items)
  const watch = head.toc === undefined ? undefined : await tarSplitWatch(target, head.toc, items, findings)
  const scanTarget = scanLayer({ ...blobOf(target), claims, watch, signal }, findings)
  const isSameBlob = source.descriptor.digest === target.descriptor.digest && source.diffId === target.diffId
  const [left, right] = await Promise.all([isSameBlob ? scanTarget : scanSource(source, signal), scanTarget])
  if (left === undefined) throw sourceError(source.descriptor.digest)('it cannot be read')
  const format = head.toc?.format ?? head.compression
  if (right === undefined) return { ...nothing, source: left, format }
  const comparison = compareLayer(left, right, findings)
  if (head.toc === undefined) return { source: left, target: right, format, comparison, toc: undefined }
  const isRewritten = left.diffId !== right.diffId
  const toc = checkFormat({ found: head.toc, items, isRewritten }, right, target.descriptor, findings)
  checkLandmarks(right, isRewritten && FORMAT_RULES[head.toc.format].hasLandmark, findings)
  return { source: left, target: right, format, comparison, toc }
}

const nothing = { target: undefined, format: null, comparison: undefined, toc: undefined } as const

function checkFormat(
  { found, items, isRewritten }: { found: LayerToc; items: readonly TocItem[]; isRewritten: boolean },
  scan: Scan,
  descriptor: Descriptor,
  findings: Findings,
): TocComparison {
  const rules = FORMAT_RULES[found.format]
  const annotations = descriptor.annotations ?? {}
  for (const [key, expected] of Object.entries(rules.annotations(found, scan.uncompressedBytes))) {
    const told = annotations[key]
    if (told === undefined) findings.add('ANNOTATION_MISSING', null, `${key} should be ${expected}`)
    else if (told !== expected)
      findings.add('ANNOTATION_WRONG', null, `${key}: the blob has ${expected}, said is ${told}`)
  }
  for (const key of rules.foreign(found)) {
    if (annotations[key] !== undefined)
      findings.add('ANNOTATION_WRONG', null, `${key} promises what the blob has not`)
  }
  checkTocPlace(found, scan, findings)
  return compareToc(found, items, scan, !isRewritten, findings)
}

/** The tar-split data of the containers dialect, to be held against the tar. */
async function tarSplitWatch(
  { content, descriptor }: TargetSide,
  { toc, frames }: LayerToc,
  items: readonly TocItem[],
  findings: Findings,
): Promise<ScanRequest['watch']> {
  const expected = toc.tarSplitDigest ?? undefined
  const position = frames?.tarSplit
  if (expected === undefined && position === undefined) return undefined
  if (expected === undefined || position === undefined) {
    const what =
      position === undefined ? 'names tar-split data that the footer does not' : 'does not name them'
    findings.add('TAR_SPLIT', null, `the TOC ${what}`)
    return undefined
  }
  try {
    const read: ReadAt = (offset, bytes) => readRange(content, descriptor.digest, offset, bytes)
    const compressed = await readStoredTarSplit(read, position, expected)
    return (entries) =>
      new TarSplitCheck(tarSplitLines(compressed, position.uncompressedBytes), entries, items)
  } catch (error) {
    if (!(error instanceof TocError)) throw error
    findings.add('TAR_SPLIT', null, error.message)
    return undefined
  }
}

interface Head {
  compression: 'gzip' | 'zstd' | 'tar'
  toc: LayerToc | undefined
}

/** Compression and TOC; undefined when there is no blob. */
async function readHead(target: TargetSide, findings: Findings): Promise<Head | undefined> {
  const { content, descriptor } = target
  const { digest } = descriptor
  const read = (offsetBytes: number, lengthBytes: number) =>
    readRange(content, digest, offsetBytes, lengthBytes)
  const blobBytes = (await infoOf(content, digest))?.sizeBytes
  if (blobBytes === undefined) {
    findings.add('BLOB_MISSING', null, `${digest} is not in the store`)
    return undefined
  }
  const magic = blobBytes < MAGIC_BYTES ? Buffer.alloc(0) : await read(0, MAGIC_BYTES)
  const compression = checkCompression(descriptor, magic, findings)
  return { compression, toc: await tocOf(read, blobBytes, target, findings) }
}

async function tocOf(
  read: ReadAt,
  blobBytes: number,
  { descriptor, tocs }: TargetSide,
  findings: Findings,
): Promise<LayerToc | undefined> {
  try {
    if (await hasExternalToc(read, blobBytes)) {
      const blob = await tocs.read(descriptor, findings)
      return blob === undefined ? undefined : await readExternalToc(blob, blobBytes)
    }
    const toc = await readToc(read, blobBytes)
    const promise = TOC_ANNOTATIONS.find((key) => descriptor.annotations?.[key] !== undefined)
    if (toc === undefined && promise !== undefined)
      findings.add('FOOTER', null, `${promise} promises a TOC, but the blob ends without a footer`)
    return toc
  } catch (error) {
    if (!(error instanceof TocError)) throw error
    findings.add('TOC_MALFORMED', null, error.message)
    return undefined
  }
}

async function scanSource(source: LayerSide, signal: AbortSignal | undefined): Promise<Scan> {
  const fail = sourceError(source.descriptor.digest)
  const strict: Findings = {
    add: (code, _path, message) => {
      throw fail(`${code}: ${message}`)
    },
  }
  const scan = await scanLayer({ ...blobOf(source), signal }, strict)
  if (scan === undefined) throw fail('it cannot be read')
  return scan
}

/** Nothing can be proved against a source that does not hold itself. */
function sourceError(layer: Digest): (what: string) => PreconditionError {
  return (what) =>
    new PreconditionError(
      'LAYER_CORRUPT',
      `layer ${layer} of the source is not what its image says: ${what}; fetch the image again`,
    )
}

function blobOf({ content, descriptor, diffId }: LayerSide) {
  return { descriptor, diffId, read: () => content.read(descriptor.digest) }
}
