/** One repository of a registry, read from its mirrors and itself, written to one of them. */
import { NotFoundError } from '../../shared/errors.ts'
import { MEDIA_TYPE } from '../image/descriptor.ts'
import { type Digest, digestOf, isDigest } from '../image/digest.ts'
import { DOCUMENT_BYTES_MAX } from '../image/manifest.ts'
import type { BlobRange } from './download.ts'
import { type BlobUnderWay, EarlyUpload } from './early-upload.ts'
import { invalidAnswer, RegistryError } from './errors.ts'
import { type BlobReading, blobFromHosts } from './failover.ts'
import type { Hosts } from './hosts.ts'
import { ACCEPTED_DOCUMENTS, DOCUMENT_TYPES } from './media-types.ts'
import { type Asking, sizeIn } from './presence.ts'
import type { Session } from './session.ts'
import { readSmall, resolveLocation } from './transport.ts'
import { type BlobToSend, mountBlob, requireUploads, uploadBlob } from './upload.ts'

export interface FoundManifest {
  digest: Digest
  mediaType: string
  bytes: Buffer
}

/** @see RFC 8288; OCI distribution spec, "Listing Referrers" */
const NEXT_PAGE = /<([^>]*)>\s*;\s*rel="?next\b/
/** Nobody has so many: a registry whose pages go round in a circle must end. */
const REFERRERS_PAGES_MAX = 100
/** What registries answer that do not let a tag be moved: with words like these, or a status that says it. */
const IMMUTABLE_STATUSES: readonly (number | null)[] = [400, 403, 405]
const IMMUTABLE = /immutable|already\s?exist|overwrit/i

export class Repository {
  readonly name: string
  readonly #hosts: Hosts

  constructor(hosts: Hosts, name: string) {
    this.name = name
    this.#hosts = hosts
  }

  /** As docker names it. */
  get registry(): string {
    return this.#hosts.registry
  }

  /** What these give is held until it is known to be right. @throws {RegistryError} REGISTRY_CONFIG_INVALID */
  get hasMirrors(): boolean {
    return this.#hosts.able('pull').length > 1
  }

  /**
   * @param reference a tag or a digest
   * @throws {NotFoundError} @throws {RegistryError}
   */
  async manifest(reference: string): Promise<FoundManifest> {
    const [capability, digest] = isDigest(reference) ? (['pull', reference] as const) : (['resolve'] as const)
    return await this.#hosts.first(capability, digest, (session) => manifestIn(session, reference))
  }

  /** @returns undefined where it is not there */
  async manifestBytes(digest: Digest): Promise<number | undefined> {
    return await this.#sizeOf(digest, {
      at: `/manifests/${digest}`,
      what: `manifest ${digest}`,
      isWanted: true,
    })
  }

  /**
   * @param promisedBytes as its descriptor says: a mirror that has another size is passed over
   * @returns undefined where it is not there
   */
  async blobBytes(digest: Digest, promisedBytes?: number): Promise<number | undefined> {
    const asking = { at: `/blobs/${digest}`, what: `blob ${digest}`, promisedBytes, isWanted: true }
    return await this.#sizeOf(digest, asking)
  }

  /**
   * Whoever reads it checks its digest.
   * @throws {NotFoundError} @throws {RegistryError} @throws the reason of `wanted`
   */
  blob(
    digest: Digest,
    range: BlobRange,
    options: Partial<BlobReading> = {},
  ): AsyncGenerator<Buffer, void, undefined> {
    return blobFromHosts(this.#hosts, digest, range, options)
  }

  /** Asked before there is anything to write. @throws {RegistryError} */
  async requireWritable(): Promise<void> {
    await requireUploads(this.#hosts.writer())
  }

  /** Whether a blob is where it would be written. */
  async hasForWriting(digest: Digest): Promise<boolean> {
    const asking = { at: `/blobs/${digest}`, what: `blob ${digest}`, promisedBytes: 0, isWanted: false }
    return (await sizeIn(this.#hosts.writer(), asking)) !== undefined
  }

  /** As it is where it would be written: a mirror may have an older one. @throws {NotFoundError} @throws {RegistryError} */
  async manifestForWriting(reference: string): Promise<FoundManifest> {
    return await manifestIn(this.#hosts.writer(), reference)
  }

  async mount(digest: Digest, from: string): Promise<boolean> {
    return await mountBlob(this.#hosts.writer(), digest, from)
  }

  async upload(blob: BlobToSend): Promise<void> {
    await uploadBlob(this.#hosts.writer(), blob)
  }

  /** Sends what there is of a blob while it is made. */
  beginUpload(blob: BlobUnderWay): EarlyUpload {
    return new EarlyUpload(this.#hosts.writer(), blob)
  }

  /**
   * @param reference a tag or its own digest
   * @returns the manifest whose referrers the registry has put it among; undefined where it has not
   */
  async putManifest(
    reference: string,
    mediaType: string,
    bytes: Buffer,
  ): Promise<{ subject: string | undefined }> {
    const session = this.#hosts.writer()
    const what = whatOf(reference)
    try {
      const answer = await session.call({
        method: 'PUT',
        at: `/manifests/${reference}`,
        headers: { 'content-type': mediaType },
        body: {
          sizeBytes: bytes.length,
          async *read() {
            yield bytes
          },
        },
        what,
        expects: [200, 201, 202],
      })
      await answer.drop()
      const stored = answer.header('docker-content-digest')
      if (isDigest(stored) && stored !== digestOf(bytes))
        throw invalidAnswer(`${session.host} stored ${stored} when ${digestOf(bytes)} was sent`)
      return { subject: answer.header('oci-subject') }
    } catch (error) {
      if (isDigest(reference) || !(error instanceof RegistryError) || !saysImmutable(error)) throw error
      await this.#requireSame(session, reference, digestOf(bytes), error)
      return { subject: undefined }
    }
  }

  /** Where a tag cannot be moved: it may be there already, as it should be. @throws {RegistryError} REGISTRY_REFUSED */
  async #requireSame(session: Session, tag: string, digest: Digest, refusal: RegistryError): Promise<void> {
    const found = await manifestIn(session, tag).catch(() => null)
    if (found === null) throw refusal
    if (found.digest === digest) return
    throw new RegistryError(
      'REGISTRY_REFUSED',
      `${this.registry}/${this.name} has a tag ${tag} that cannot be moved: name another one for the result; ${refusal.message}`,
      { cause: refusal.cause, status: refusal.status },
    )
  }

  /**
   * @returns an index a page; null where nobody has this part of the specification
   * @throws {RegistryError}
   */
  async referrers(digest: Digest): Promise<Buffer[] | null> {
    try {
      return await this.#hosts.first(this.#hosts.listing, undefined, async (session) => {
        const pages = await this.#referrersIn(session, digest)
        if (pages === null) throw new NotFoundError(`${session.host} does not list referrers`)
        return pages
      })
    } catch (error) {
      if (error instanceof NotFoundError) return null
      throw error
    }
  }

  /** What lists artifacts in place of the API, of those who are asked for that. @throws {NotFoundError} @throws {RegistryError} */
  async manifestOfReferrers(tag: string): Promise<FoundManifest> {
    return await this.#hosts.first(this.#hosts.listing, undefined, (session) => manifestIn(session, tag))
  }

  async #referrersIn(session: Session, digest: Digest): Promise<Buffer[] | null> {
    const pages: Buffer[] = []
    let at: string | URL | null = `/referrers/${digest}`
    while (at !== null && pages.length < REFERRERS_PAGES_MAX) {
      const page = await this.#referrersPage(session, at, `referrers of ${digest}`)
      if (page === null) return pages.length === 0 ? null : pages
      pages.push(page.bytes)
      at = page.next
    }
    return pages
  }

  async #referrersPage(
    session: Session,
    at: string | URL,
    what: string,
  ): Promise<{ bytes: Buffer; next: URL | null } | null> {
    const answer = await session.call({
      method: 'GET',
      at,
      headers: { accept: MEDIA_TYPE.ociIndex },
      what,
      expects: [200, 400, 404, 405, 501],
    })
    if (
      answer.status !== 200 ||
      !/^application\/vnd\.oci\.image\.index/.test(answer.header('content-type') ?? '')
    ) {
      await answer.drop()
      return null
    }
    const bytes = await readSmall(answer, DOCUMENT_BYTES_MAX).catch(async (error) => {
      throw await session.explain(error, what)
    })
    if (bytes === null) throw invalidAnswer(`${what} in ${session.host} are more than are read`)
    const [, next] = NEXT_PAGE.exec(answer.header('link') ?? '') ?? []
    return { bytes, next: next === undefined ? null : resolveLocation(next, answer.url) }
  }

  async #sizeOf(digest: Digest, asking: Asking): Promise<number | undefined> {
    const { what, promisedBytes } = asking
    try {
      return await this.#hosts.first('pull', digest, async (session, isLast) => {
        const size = await sizeIn(session, asking)
        if (size === undefined) throw new NotFoundError(`there is no ${what} in ${session.host}`)
        if (isLast || promisedBytes === undefined || size === promisedBytes) return size
        throw invalidAnswer(`${session.host} says that ${what} has ${size} bytes, not ${promisedBytes}`)
      })
    } catch (error) {
      if (error instanceof NotFoundError) return undefined
      throw error
    }
  }
}

function whatOf(reference: string): string {
  return isDigest(reference) ? `manifest ${reference}` : `tag ${reference}`
}

function saysImmutable({ status, message }: RegistryError): boolean {
  return status === 409 || status === 412 || (IMMUTABLE_STATUSES.includes(status) && IMMUTABLE.test(message))
}

async function manifestIn(session: Session, reference: string): Promise<FoundManifest> {
  const what = whatOf(reference)
  const answer = await session.call({
    method: 'GET',
    at: `/manifests/${reference}`,
    headers: { accept: ACCEPTED_DOCUMENTS },
    what,
    expects: [200],
  })
  const bytes = await readSmall(answer, DOCUMENT_BYTES_MAX).catch(async (error) => {
    throw await session.explain(error, what)
  })
  if (bytes === null)
    throw invalidAnswer(
      `${what} in ${session.host} has more than ${DOCUMENT_BYTES_MAX} bytes: it is not read`,
    )
  const digest = digestOf(bytes)
  const promised = isDigest(reference) ? reference : answer.header('docker-content-digest')
  if (isDigest(promised) && promised !== digest)
    throw invalidAnswer(`${session.host} gave other bytes of ${what}: they have ${digest}, not ${promised}`)
  const mediaType = mediaTypeOf(bytes, answer.header('content-type'), `${what} in ${session.host}`)
  return { digest, mediaType, bytes }
}

/** What the document says of itself comes first: whoever has signed it has signed that. */
function mediaTypeOf(bytes: Buffer, header: string | undefined, what: string): string {
  const told = header?.split(';', 1)[0]?.trim().toLowerCase()
  let own: unknown
  try {
    own = (JSON.parse(bytes.toString('utf8')) as { mediaType?: unknown } | null)?.mediaType
  } catch (cause) {
    throw invalidAnswer(`${what} is not JSON`, cause)
  }
  const isKnown = (type: unknown) => DOCUMENT_TYPES.some((known) => known === type)
  if (isKnown(own) && isKnown(told) && own !== told)
    throw invalidAnswer(`${what} is told to be ${told} and says of itself that it is ${own}`)
  if (typeof own === 'string' && own !== '') return own
  return told ?? MEDIA_TYPE.ociManifest
}
