/**
 * The two documents of an OCI layout: `oci-layout` and `index.json`, in which tags are annotations.
 *
 * @see OCI image spec, image-layout.md
 */
import { NotFoundError, PreconditionError } from '../../shared/errors.ts'
import type { Descriptor } from '../image/descriptor.ts'
import type { LayoutReference } from '../image/location.ts'
import { type Index, parseIndex } from '../image/manifest.ts'
import type { StoredImage } from './store.ts'

export const LAYOUT_FILE = 'oci-layout'
export const INDEX_FILE = 'index.json'
export const LAYOUT_TEXT = '{"imageLayoutVersion":"1.0.0"}'
const TAG_ANNOTATION = 'org.opencontainers.image.ref.name'

/** A layout or an archive of one is not what it should be. Codes: LAYOUT_INVALID, ARCHIVE_INVALID. */
export class LayoutError extends PreconditionError {}

/** @throws {LayoutError} a version that is not 1 */
export function requireLayoutVersion(bytes: Buffer, where: string): void {
  let version: unknown
  try {
    version = JSON.parse(bytes.toString('utf8')).imageLayoutVersion
  } catch (cause) {
    throw new LayoutError('LAYOUT_INVALID', `${where}: ${LAYOUT_FILE} is not JSON`, { cause })
  }
  if (typeof version === 'string' && /^1\./.test(version)) return
  throw new LayoutError(
    'LAYOUT_INVALID',
    `${where}: ${LAYOUT_FILE} names the version ${JSON.stringify(version) ?? 'nothing'}, only 1 is read`,
  )
}

/** The images of an `index.json`; the name of each is its tag, '' without one. */
export class LayoutIndex {
  readonly #document: Index
  readonly #where: string

  private constructor(document: Index, where: string) {
    this.#document = document
    this.#where = where
  }

  static empty(where: string): LayoutIndex {
    return new LayoutIndex({ schemaVersion: 2, manifests: [] }, where)
  }

  /** @throws {DocumentError} */
  static parse(bytes: Buffer, where: string): LayoutIndex {
    return new LayoutIndex(parseIndex(bytes, `${where}: ${INDEX_FILE}`), where)
  }

  /** @throws {NotFoundError} @throws {LayoutError} several images and nothing that says which */
  find(reference: LayoutReference): StoredImage {
    const { manifests } = this.#document
    const found =
      reference === null
        ? this.#only()
        : manifests.find((item) =>
            'tag' in reference ? tagOf(item) === reference.tag : item.digest === reference.digest,
          )
    if (found !== undefined) return { name: tagOf(found), target: withoutTag(found), labels: {} }
    const what = reference === null ? 'image' : `image ${JSON.stringify(Object.values(reference)[0])}`
    throw new NotFoundError(`${this.#where} holds no ${what}${this.#offer()}`)
  }

  /** The document with this image under its name instead of what was there; without a name, instead of the unnamed. */
  with({ name, target }: StoredImage): LayoutIndex {
    const annotations = { ...target.annotations, ...(name === '' ? {} : { [TAG_ANNOTATION]: name }) }
    const item: Descriptor =
      Object.keys(annotations).length === 0 ? { ...target } : { ...target, annotations }
    const manifests = [...this.#document.manifests.filter((other) => tagOf(other) !== name), item]
    return new LayoutIndex({ ...this.#document, manifests }, this.#where)
  }

  format(): string {
    return JSON.stringify(this.#document)
  }

  #only(): Descriptor | undefined {
    const { manifests } = this.#document
    const unnamed = manifests.filter((item) => tagOf(item) === '')
    if (manifests.length <= 1) return manifests[0]
    if (unnamed.length === 1) return unnamed[0]
    throw new LayoutError(
      'IMAGE_AMBIGUOUS',
      `${this.#where} holds ${manifests.length} images: name one${this.#offer()}`,
    )
  }

  #offer(): string {
    const tags = this.#document.manifests.map(tagOf).filter((tag) => tag !== '')
    return tags.length === 0 ? '' : `; its tags are ${tags.join(', ')}`
  }
}

function tagOf(item: Descriptor): string {
  return item.annotations?.[TAG_ANNOTATION] ?? ''
}

function withoutTag(item: Descriptor): Descriptor {
  const { annotations, ...rest } = item
  const { [TAG_ANNOTATION]: _, ...others } = annotations ?? {}
  return Object.keys(others).length === 0 ? rest : { ...rest, annotations: others }
}
