/** The documents of an image, of every platform it has; what is wrong with them is found, not thrown. */
import { NotFoundError, PreconditionError } from '../../shared/errors.ts'
import type { Descriptor } from '../image/descriptor.ts'
import {
  documentKind,
  type ImageConfig,
  INDEX_DEPTH_MAX,
  type Index,
  type Manifest,
  parseConfig,
  parseIndex,
  parseManifest,
} from '../image/manifest.ts'
import { formatPlatform, normalizePlatform, type Platform, platformMatches } from '../image/platform.ts'
import { readDocument } from '../store/read-document.ts'
import type { ContentStore } from '../store/store.ts'
import type { Findings } from './difference.ts'

export interface PlatformImage {
  /** As its index has it; of a manifest that a name points at, without what the store notes beside the name. */
  descriptor: Descriptor
  manifest: Manifest
  config: ImageConfig
  /** Of the config, normalized. */
  platform: Platform
}

export interface LoadedImage {
  root: Descriptor
  /** The outermost, where the root is one. */
  index: Index | null
  images: PlatformImage[]
}

/** Whether a child of an index is to be read. */
export type Wanted = (platform: Platform | undefined) => boolean

export async function loadImage(
  content: ContentStore,
  root: Descriptor,
  wanted: Wanted,
  findings: Findings,
): Promise<LoadedImage> {
  const loading = new Loading(content, wanted, findings)
  await loading.load(root, 0)
  return { root, index: loading.index, images: loading.images }
}

class Loading {
  readonly #content: ContentStore
  readonly #wanted: Wanted
  readonly #findings: Findings
  index: Index | null = null
  readonly images: PlatformImage[] = []

  constructor(content: ContentStore, wanted: Wanted, findings: Findings) {
    this.#content = content
    this.#wanted = wanted
    this.#findings = findings
  }

  async load(descriptor: Descriptor, depth: number): Promise<void> {
    const bytes = await this.#read(descriptor, 'document')
    if (bytes === undefined) return
    const kind = this.#parse(() => documentKind(descriptor, bytes))
    if (kind === 'manifest')
      return await this.#loadManifest(depth === 0 ? withoutNotes(descriptor) : descriptor, bytes)
    const index = kind && this.#parse(() => parseIndex(bytes, `index ${descriptor.digest}`))
    if (index === undefined) return
    this.#checkMediaType(descriptor, index.mediaType)
    if (depth === 0) this.index = index
    if (depth === INDEX_DEPTH_MAX) {
      this.#findings.add('DOCUMENT_INVALID', null, `index ${descriptor.digest} is nested too deep`)
      return
    }
    for (const child of index.manifests) {
      if (isImage(child) && this.#wanted(child.platform)) await this.load(child, depth + 1)
    }
  }

  async #loadManifest(descriptor: Descriptor, bytes: Buffer): Promise<void> {
    const manifest = this.#parse(() => parseManifest(bytes, `manifest ${descriptor.digest}`))
    if (manifest === undefined) return
    this.#checkMediaType(descriptor, manifest.mediaType)
    const configBytes = await this.#read(manifest.config, 'config')
    const config =
      configBytes && this.#parse(() => parseConfig(configBytes, `config ${manifest.config.digest}`))
    if (config === undefined) return
    const { os, architecture, variant } = config
    const platform = normalizePlatform({ os, architecture, ...(variant ? { variant } : {}) })
    if (descriptor.platform !== undefined && !platformMatches(descriptor.platform, platform)) {
      const [named, real] = [formatPlatform(descriptor.platform), formatPlatform(platform)]
      this.#findings.add(
        'INDEX_PLATFORM',
        null,
        `manifest ${descriptor.digest}: index ${named}, config ${real}`,
      )
    }
    this.images.push({ descriptor, manifest, config, platform })
  }

  #checkMediaType(descriptor: Descriptor, own: string | undefined): void {
    if (own === undefined || own === descriptor.mediaType) return
    const message = `${descriptor.digest} says ${own}, what names it says ${descriptor.mediaType}`
    this.#findings.add('MEDIA_TYPE', null, message)
  }

  async #read(descriptor: Descriptor, what: string): Promise<Buffer | undefined> {
    const { digest, size } = descriptor
    try {
      const { sizeBytes } = await this.#content.info(digest)
      if (sizeBytes !== size) {
        const message = `${what} ${digest} has ${sizeBytes} bytes, its descriptor says ${size}`
        this.#findings.add('DESCRIPTOR_SIZE', null, message)
      }
      return await readDocument(this.#content, { ...descriptor, size: sizeBytes }, `${what} ${digest}`)
    } catch (error) {
      if (error instanceof NotFoundError) {
        this.#findings.add('BLOB_MISSING', null, `${what} ${digest} is not in the store`)
      } else if (error instanceof PreconditionError) {
        const code = error.code === 'DOCUMENT_CORRUPT' ? 'BLOB_DIGEST' : 'DOCUMENT_INVALID'
        this.#findings.add(code, null, error.message)
      } else throw error
      return undefined
    }
  }

  #parse<T>(parse: () => T): T | undefined {
    try {
      return parse()
    } catch (error) {
      if (!(error instanceof PreconditionError)) throw error
      this.#findings.add('DOCUMENT_INVALID', null, error.message)
      return undefined
    }
  }
}

/** What names a manifest in a store may be annotated with that name, as `ctr images import` does it. */
function withoutNotes({ annotations: _, ...descriptor }: Descriptor): Descriptor {
  return descriptor
}

/** Attestations and the like name no platform that a machine has. */
function isImage({ platform, annotations }: Descriptor): boolean {
  return platform?.os !== 'unknown' && annotations?.['vnd.docker.reference.type'] === undefined
}
