/** One repository of a registry, read from its mirrors and itself, written to one of them. */
import { CodedError, NotFoundError } from '../../shared/errors.ts'
import { MEDIA_TYPE } from '../image/descriptor.ts'
import { type Digest, digestOf, isDigest } from '../image/digest.ts'
import { DOCUMENT_BYTES_MAX } from '../image/manifest.ts'
import { type BlobRange, downloadBlob } from './download.ts'
import { type BlobUnderWay, EarlyUpload } from './early-upload.ts'
import { invalidAnswer, RegistryError } from './errors.ts'
import type { Capability } from './hosts-file.ts'
import type { Session } from './session.ts'
import { readSmall, resolveLocation } from './transport.ts'
import { type BlobToSend, mountBlob, uploadBlob } from './upload.ts'

export interface FoundManifest {
  digest: Digest
  mediaType: string
  bytes: Buffer
}

/** An index or a manifest, OCI's or docker's. */
const DOCUMENT_TYPES = [
  MEDIA_TYPE.ociIndex,
  MEDIA_TYPE.ociManifest,
  MEDIA_TYPE.dockerIndex,
  MEDIA_TYPE.dockerManifest,
] as const
const ACCEPTED = DOCUMENT_TYPES.join(', ')
/** @see RFC 8288; OCI distribution spec, "Listing Referrers" */
const NEXT_PAGE = /<([^>]*)>\s*;\s*rel="?next\b/
/** Nobody has so many: a registry whose pages go round in a circle must end. */
const REFERRERS_PAGES_MAX = 100

export class Repository {
  /** As docker names it. */
  readonly registry: string
  readonly name: string
  readonly #sessions: readonly Session[]
  /** Mirrors that could not be reached: not asked again. */
  readonly #unreachable = new Set<Session>()

  constructor(registry: string, name: string, sessions: readonly Session[]) {
    this.registry = registry
    this.name = name
    this.#sessions = sessions
  }

  /**
   * @param reference a tag or a digest
   * @throws {NotFoundError} @throws {RegistryError}
   */
  async manifest(reference: string): Promise<FoundManifest> {
    const what = isDigest(reference) ? `manifest ${reference}` : `tag ${reference}`
    return await this.#readFrom(isDigest(reference) ? 'pull' : 'resolve', async (session) => {
      const answer = await session.call({
        method: 'GET',
        at: `/manifests/${reference}`,
        headers: { accept: ACCEPTED },
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
        throw invalidAnswer(`${session.host} was asked for ${what}, which is ${promised}, and gave ${digest}`)
      return { digest, mediaType: mediaTypeOf(bytes, answer.header('content-type'), what), bytes }
    })
  }

  /** @returns undefined where it is not there */
  async manifestBytes(digest: Digest): Promise<number | undefined> {
    return await this.#sizeOf(`/manifests/${digest}`, `manifest ${digest}`)
  }

  /** @returns undefined where it is not there */
  async blobBytes(digest: Digest): Promise<number | undefined> {
    return await this.#sizeOf(`/blobs/${digest}`, `blob ${digest}`)
  }

  /** @throws {NotFoundError} @throws {RegistryError} */
  async *blob(digest: Digest, range: BlobRange): AsyncGenerator<Buffer, void, undefined> {
    const sessions = this.#able('pull')
    let { offsetBytes } = range
    for (const session of sessions) {
      try {
        for await (const piece of downloadBlob(session, digest, { ...range, offsetBytes })) {
          offsetBytes += piece.length
          yield piece
        }
        return
      } catch (error) {
        this.#endure(session, error, session === sessions.at(-1))
      }
    }
  }

  /** Whether a blob is where it would be written. */
  async hasForWriting(digest: Digest): Promise<boolean> {
    return (await sizeIn(this.#writer(), `/blobs/${digest}`, `blob ${digest}`)) !== undefined
  }

  async mount(digest: Digest, from: string): Promise<boolean> {
    return await mountBlob(this.#writer(), digest, from)
  }

  async upload(blob: BlobToSend): Promise<void> {
    await uploadBlob(this.#writer(), blob)
  }

  /** Sends what there is of a blob while it is made. */
  beginUpload(blob: BlobUnderWay): EarlyUpload {
    return new EarlyUpload(this.#writer(), blob)
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
    const session = this.#writer()
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
      what: isDigest(reference) ? `manifest ${reference}` : `tag ${reference}`,
      expects: [200, 201, 202],
    })
    await answer.drop()
    const stored = answer.header('docker-content-digest')
    if (isDigest(stored) && stored !== digestOf(bytes))
      throw invalidAnswer(`${session.host} stored ${stored} when ${digestOf(bytes)} was sent`)
    return { subject: answer.header('oci-subject') }
  }

  /** @returns an index a page; null where the registry does not have this part of the specification */
  async referrers(digest: Digest): Promise<Buffer[] | null> {
    const session = this.#writerOrLast()
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
      expects: [200, 400, 404, 405],
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

  async #sizeOf(at: string, what: string): Promise<number | undefined> {
    try {
      return await this.#readFrom('pull', async (session) => {
        const size = await sizeIn(session, at, what)
        if (size === undefined) throw new NotFoundError(`there is no ${what} in ${session.host}`)
        return size
      })
    } catch (error) {
      if (error instanceof NotFoundError) return undefined
      throw error
    }
  }

  async #readFrom<T>(capability: Capability, read: (session: Session) => Promise<T>): Promise<T> {
    const sessions = this.#able(capability)
    for (const session of sessions) {
      try {
        return await read(session)
      } catch (error) {
        this.#endure(session, error, session === sessions.at(-1))
      }
    }
    throw new Error('no host was asked')
  }

  /** The next host is asked where this one has failed. @throws where it was the last */
  #endure(session: Session, error: unknown, isLast: boolean): void {
    if (isLast || !(error instanceof CodedError)) throw error
    if (error instanceof RegistryError && error.status === null) this.#unreachable.add(session)
  }

  #able(capability: Capability): Session[] {
    const able = this.#sessions.filter(
      (session) =>
        session.options.endpoint.capabilities.includes(capability) && !this.#unreachable.has(session),
    )
    if (able.length > 0) return able
    throw this.#noneThatCan(capability)
  }

  /** Always the same one: what belongs together is in one place. */
  #writer(): Session {
    const writer = this.#writers[0]
    if (writer === undefined) throw this.#noneThatCan('push')
    return writer
  }

  #writerOrLast(): Session {
    return this.#writers[0] ?? (this.#sessions.at(-1) as Session)
  }

  get #writers(): Session[] {
    return this.#sessions.filter(({ options }) => options.endpoint.capabilities.includes('push'))
  }

  #noneThatCan(capability: Capability): RegistryError {
    return new RegistryError(
      'REGISTRY_CONFIG_INVALID',
      `no host of ${this.registry} has the capability ${capability}: see its hosts.toml`,
    )
  }
}

async function sizeIn(session: Session, at: string, what: string): Promise<number | undefined> {
  const answer = await session.call({
    method: 'HEAD',
    at,
    ...(at.startsWith('/manifests/') ? { headers: { accept: ACCEPTED } } : {}),
    what,
    expects: [200, 404],
  })
  await answer.drop()
  if (answer.status === 404) return undefined
  const size = Number(answer.header('content-length') ?? Number.NaN)
  if (Number.isSafeInteger(size) && size >= 0) return size
  throw invalidAnswer(`${session.host} does not say how large ${what} is`)
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
