/** The image that holds the TOCs of a target whose layers have them not inside, for one platform. */
import { LAYER_DIGEST_ANNOTATION, tocLayerOf } from '../convert/toc-image.ts'
import { STORED_TOC_BYTES_MAX } from '../estargz/toc-member.ts'
import type { Descriptor } from '../image/descriptor.ts'
import type { Digest } from '../image/digest.ts'
import { formatPlatform, type Platform, platformMatches } from '../image/platform.ts'
import { infoOf, readRange } from '../store/read-blob.ts'
import type { ContentStore } from '../store/store.ts'
import { TOC_NAME } from '../tar/format-names.ts'
import { checkIndexLabels, checkLabels } from './check-labels.ts'
import { checkCompression, MAGIC_BYTES } from './compression.ts'
import type { Findings } from './difference.ts'
import { loadImage, type PlatformImage } from './load-image.ts'
import { scanLayer } from './scan.ts'

export interface TocImageSide {
  /** For people. */
  name: string
  root: Descriptor
}

export interface TocLayersRequest {
  /** Of the target. */
  content: ContentStore
  /** null: nobody knows of one. */
  image: TocImageSide | null
  /** Of the target's image. */
  platform: Platform
  gcLabels: boolean
}

export class TocLayers {
  readonly #request: TocLayersRequest
  readonly #findings: Findings
  /** null: there is none for this platform; undefined: nobody has asked yet. */
  #image: PlatformImage | null | undefined
  /** Of each layer that was asked for, its TOC's layer. */
  readonly #found = new Map<Digest, Digest>()

  /** @param findings of the image as a whole */
  constructor(request: TocLayersRequest, findings: Findings) {
    this.#request = request
    this.#findings = ofTocImage(findings, request.image)
  }

  /**
   * @param layer the one that says that its TOC is elsewhere
   * @param findings of this layer
   * @returns the TOC's blob; undefined where it is not there or not what its image says: that is among the findings
   */
  async read(layer: Descriptor, findings: Findings): Promise<Buffer | undefined> {
    if (this.#image === undefined) this.#image = await this.#load()
    const found = this.#image === null ? undefined : tocLayerOf(this.#image.manifest, layer.digest)
    if (found === undefined) {
      findings.add('TOC_LAYER_MISSING', null, `${this.#whereNot()} the TOC of ${layer.digest}`)
      return undefined
    }
    this.#found.set(layer.digest, found.digest)
    return await this.#readBlob(found, ofTocImage(findings, this.#request.image))
  }

  /** After the last layer. */
  tellStray(): void {
    for (const { digest, annotations } of this.#image?.manifest.layers ?? []) {
      const of = annotations?.[LAYER_DIGEST_ANNOTATION]
      if (this.#found.get(of as Digest) === digest) continue
      const message = `${digest} is said to be the TOC of ${of ?? 'no layer'}`
      this.#findings.add('TOC_LAYER_STRAY', null, message)
    }
  }

  #whereNot(): string {
    const { image, platform } = this.#request
    if (image === null) return 'there is no image (--estargz-external-toc-ref names it) with'
    return `${image.name} has nothing for ${formatPlatform(platform)} with`
  }

  async #load(): Promise<PlatformImage | null> {
    const { content, image, platform, gcLabels } = this.#request
    if (image === null) return null
    const wanted = (named: Platform | undefined) => named === undefined || platformMatches(platform, named)
    const loaded = await loadImage(content, image.root, wanted, this.#findings)
    const found = loaded.images.find((each) => platformMatches(platform, each.platform))
    if (found === undefined) return null
    const { layers } = found.manifest
    const { diff_ids: diffIds } = found.config.rootfs
    if (layers.length !== diffIds.length) {
      const message = `${layers.length} layers, its config has ${diffIds.length} diff IDs`
      this.#findings.add('LAYER_COUNT', null, message)
    }
    if (gcLabels) {
      await checkIndexLabels(content, loaded, this.#findings)
      await checkLabels(content, found, this.#findings)
    }
    return found
  }

  async #readBlob(descriptor: Descriptor, findings: Findings): Promise<Buffer | undefined> {
    const { content } = this.#request
    const { digest } = descriptor
    const info = await infoOf(content, digest)
    if (info === undefined) {
      findings.add('BLOB_MISSING', null, `${digest} is not in the store`)
      return undefined
    }
    const { sizeBytes } = info
    if (sizeBytes > STORED_TOC_BYTES_MAX) {
      findings.add('TOC_MALFORMED', null, `the TOC takes ${sizeBytes} bytes, more than any layer's`)
      return undefined
    }
    const blob = await readRange(content, digest, 0, sizeBytes)
    checkCompression(descriptor, blob.subarray(0, MAGIC_BYTES), findings)
    const { manifest, config } = this.#image as PlatformImage
    const diffId = config.rootfs.diff_ids[manifest.layers.indexOf(descriptor)] as Digest
    const read = async function* () {
      yield blob
    }
    const scan = await scanLayer({ descriptor, diffId, read }, findings)
    if (scan === undefined) return undefined
    const names = scan.entries.map(({ path }) => path)
    if (names.length !== 1 || names[0] !== TOC_NAME) {
      findings.add('TOC_PLACE', TOC_NAME, `${digest} holds ${names.length} entries, not the TOC alone`)
    }
    return blob
  }
}

/** Says of what is found that it is not of the target itself. */
function ofTocImage(findings: Findings, image: TocImageSide | null): Findings {
  const prefix = `TOC image ${image?.name}: `
  return { add: (code, path, message) => findings.add(code, path, `${prefix}${message}`) }
}
