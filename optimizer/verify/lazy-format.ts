/** What differs between the formats that can be pulled lazily: one row for each. */
import { TOC_DIGEST_ANNOTATION, UNCOMPRESSED_SIZE_ANNOTATION } from '../estargz/estargz-format.ts'
import type { LayerToc, LazyFormat } from '../estargz/reader.ts'
import {
  CONTAINERS_ANNOTATION,
  containersAnnotations,
  STARGZ_ANNOTATION,
  stargzAnnotations,
} from '../estargz/zstd-annotations.ts'

export interface FormatRules {
  compression: 'gzip' | 'zstd'
  /** The TOC is the last entry of the tar, not beside it. */
  tocInTar: boolean
  /** What the layer's descriptor must say, computed from its bytes. */
  annotations(found: LayerToc, uncompressedBytes: number): Record<string, string>
  /** Its clients fetch ahead what lies before a landmark. */
  hasLandmark: boolean
  /** Its TOC has the names of owners, not their ids alone. */
  tellsOwnerNames: boolean
  /** What it must not say: readers would believe it. */
  foreign(found: LayerToc): readonly string[]
}

const STARGZ_KEYS = Object.values(STARGZ_ANNOTATION)
const CONTAINERS_KEYS = Object.values(CONTAINERS_ANNOTATION)

export const FORMAT_RULES: Record<LazyFormat, FormatRules> = {
  estargz: {
    compression: 'gzip',
    tocInTar: true,
    hasLandmark: true,
    tellsOwnerNames: true,
    annotations: (found, uncompressedBytes) => stargzSnapshotter(found, uncompressedBytes),
    foreign: () => [...STARGZ_KEYS, ...CONTAINERS_KEYS],
  },
  zstdchunked: {
    compression: 'zstd',
    tocInTar: false,
    hasLandmark: true,
    tellsOwnerNames: true,
    annotations: (found, uncompressedBytes) => ({
      ...stargzSnapshotter(found, uncompressedBytes),
      ...(found.frames === undefined ? {} : stargzAnnotations(found.frames)),
    }),
    foreign: () => CONTAINERS_KEYS,
  },
  'zstdchunked-containers': {
    compression: 'zstd',
    tocInTar: false,
    hasLandmark: false,
    tellsOwnerNames: false,
    annotations: (found) => (found.frames === undefined ? {} : containersAnnotations(found.frames)),
    // Without tar-split data nobody could check what was pulled in parts.
    foreign: ({ frames }) => [
      ...[TOC_DIGEST_ANNOTATION, ...STARGZ_KEYS],
      ...(frames?.tarSplit === undefined ? CONTAINERS_KEYS : []),
    ],
  },
}

/** An annotation that promises a TOC. */
export const TOC_ANNOTATIONS: readonly string[] = [TOC_DIGEST_ANNOTATION, ...STARGZ_KEYS, ...CONTAINERS_KEYS]

function stargzSnapshotter({ tocDigest }: LayerToc, uncompressedBytes: number): Record<string, string> {
  return {
    [TOC_DIGEST_ANNOTATION]: tocDigest,
    [UNCOMPRESSED_SIZE_ANNOTATION]: String(uncompressedBytes),
  }
}
