/** What verification can find: a stable code for each kind, and a bounded list of the first of them. */

/** Codes, and in words what does not hold. docs/verify.md is checked against this list. */
export const DIFFERENCE_CODES = {
  // Documents
  DESCRIPTOR_SIZE: 'a descriptor gives another size than the blob has',
  BLOB_MISSING: 'a blob is not in the store',
  BLOB_DIGEST: 'the bytes of a blob have another digest',
  DOCUMENT_INVALID: 'a document cannot be read as what its media type says',
  MEDIA_TYPE: 'a media type is not that of the bytes, or not of the family of the others',
  INDEX_PLATFORM: 'an index names another platform than the config',
  PLATFORM_MISSING: 'a platform is in one image only',
  INDEX_FIELD: "a field or annotation of the source's index is not in the target's",
  MANIFEST_FIELD: "a field or annotation of the source's manifest is not in the target's",
  CONFIG_FIELD: 'a field of the config beside its diff IDs differs',
  HISTORY: "the config's history differs",
  LAYER_COUNT: 'the images have different numbers of layers, or the config as many diff IDs',
  LAYER_ORDER: 'a layer holds what another layer of the source holds',
  ANNOTATION_MISSING: 'a layer lacks an annotation that its format needs, or that the source has',
  ANNOTATION_WRONG: 'an annotation of a layer does not describe its bytes',
  GC_LABEL_MISSING: 'a blob does not keep alive what it names (containerd)',
  GC_LABEL_STRAY: "a blob keeps alive what is not the target's (containerd)",
  LABEL_WRONG: 'a label does not describe the blob (containerd)',
  // Blobs
  COMPRESSION: 'a blob cannot be decompressed as a whole',
  TAR_MALFORMED: 'what a blob decompresses to is no tar',
  DIFF_ID: 'the uncompressed layer has another digest than the config says',
  // Entries of one layer
  ENTRY_MISSING: 'an entry of the source is not in the target',
  ENTRY_ADDED: 'an entry of the target is not in the source',
  ENTRY_REPEATED: 'a name comes more than once',
  ENTRY_ORDER: 'a whiteout and the entry of its name come in the other order',
  WHITEOUT_MISSING: 'a whiteout of the source is not in the target',
  OPAQUE_MISSING: 'an opaque mark of the source is not in the target',
  ENTRY_TYPE: 'the type of an entry differs',
  ENTRY_SIZE: 'the size of a file differs',
  ENTRY_CONTENT: 'the content of a file differs',
  ENTRY_MODE: 'the mode of an entry differs',
  ENTRY_OWNER: 'the owner or group of an entry differs, by number',
  ENTRY_OWNER_NAME: 'the owner or group of an entry differs, by name',
  ENTRY_MTIME: 'the modification time of an entry differs',
  ENTRY_LINK: 'the target of a link differs',
  ENTRY_DEVICE: 'the numbers of a device differ',
  ENTRY_XATTR: 'an extended attribute differs',
  // The merged file system
  FILE_MISSING: "a file of the source's file system is not in the target's",
  FILE_ADDED: "a file of the target's file system is not in the source's",
  FILE_TYPE: 'the type of a file differs',
  FILE_SIZE: 'the size of a file differs',
  FILE_CONTENT: 'the content of a file differs',
  FILE_MODE: 'the mode of a file differs',
  FILE_OWNER: 'the owner or group of a file differs, by number',
  FILE_MTIME: 'the modification time of a file differs',
  FILE_LINK: 'the target of a symbolic link differs, or which names are one file',
  FILE_DEVICE: 'the numbers of a device differ',
  FILE_XATTR: 'an extended attribute of a file differs',
  // What makes a layer lazily pullable
  FOOTER: 'a layer whose manifest promises a TOC does not end in a footer',
  TOC_MALFORMED: 'the TOC is not where or what the footer says',
  TOC_PLACE: 'the TOC is not the last entry of its tar',
  TAR_SPLIT: 'the tar-split data of a layer (zstd:chunked) do not make its tar',
  TOC_LAYER_MISSING: 'the TOC of a layer should be in another image, and is not there',
  TOC_LAYER_STRAY: 'a layer of the TOC image is not the TOC of a layer of the target',
  TOC_ENTRY_MISSING: 'an entry of the tar is not in the TOC',
  TOC_ENTRY_ADDED: 'an entry of the TOC is not in the tar',
  TOC_ENTRY_REPEATED: 'the TOC has an entry more often than the tar',
  TOC_ORDER: "the TOC's entries are in another order than the tar's",
  TOC_FIELD: 'a field of an entry of the TOC is not what the tar says',
  TOC_FILE_DIGEST: "the TOC's digest of a file is not its content's",
  CHUNK_COVERAGE: "the TOC's chunks of a file do not cover it from front to back",
  CHUNK_DIGEST: "the TOC's digest of a chunk is not its content's",
  CHUNK_OFFSET: "the TOC's offset of a chunk does not lead to its content",
  LANDMARK_MISSING: 'a layer in a new order, or with a TOC of its own, has no landmark',
  LANDMARK_PLACE: 'a landmark is where it tells clients the wrong thing to fetch ahead',
  LANDMARK_CONTENT: 'a landmark is not one byte 0x0f',
} as const

export type DifferenceCode = keyof typeof DIFFERENCE_CODES

export interface Difference {
  code: DifferenceCode
  /** `os/architecture[/variant]`; null for what concerns the whole image. */
  platform: string | null
  /** Position in the manifest, 0 = lowest; null for documents and the merged file system. */
  layer: number | null
  /** In the layer or file system, without leading slash; bytes that are not UTF-8 as \xNN. null for what has none. */
  path: string | null
  /** What both sides are, or what is wrong, in words. */
  message: string
}

/** Where differences go. */
export interface Findings {
  add(code: DifferenceCode, path: string | null, message: string): void
}

/** All differences counted, the first of every place kept. */
export class Differences {
  readonly counts = new Map<DifferenceCode, number>()
  readonly #max: number
  readonly #places = new Map<string, Difference[]>()

  /** @param max how many are kept of one place, and listed in all */
  constructor(max: number) {
    this.#max = max
  }

  get total(): number {
    return [...this.counts.values()].reduce((sum, count) => sum + count, 0)
  }

  /** Findings of one place: an image, one of its platforms, a layer. */
  at(platform: string | null, layer: number | null): Findings {
    const place: Difference[] = []
    this.#places.set(`${this.#places.size}`, place)
    return {
      add: (code, path, message) => {
        this.counts.set(code, (this.counts.get(code) ?? 0) + 1)
        if (place.length < this.#max) place.push({ code, platform, layer, path, message })
      },
    }
  }

  /** Documents first, then layers from the lowest, then the merged file system; by path within each. */
  first(): Difference[] {
    return [...this.#places.values()].flatMap((place) => place.toSorted(byPath)).slice(0, this.#max)
  }
}

function byPath(left: Difference, right: Difference): number {
  const [a, b] = [left.path ?? '', right.path ?? '']
  return a < b ? -1 : a > b ? 1 : 0
}
