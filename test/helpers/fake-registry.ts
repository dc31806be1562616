/** A registry in this process, for what a real one does not do when asked: it forgets, breaks off, lies, is slow. */
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { TlsOptions } from 'node:tls'
import { type Digest, digestOf } from '../../optimizer/image/digest.ts'
import { LIMITS, type RegistrySettings, usualSettings } from '../../optimizer/registry/settings.ts'

export interface Seen {
  method: string
  path: string
  range: string | undefined
  authorization: string | undefined
  status: number
}

export interface FakeOptions {
  /** What is asked for; nothing where it is absent. */
  login?: { kind: 'basic' | 'bearer'; username: string; password: string }
  /** https in place of http. */
  tls?: TlsOptions
  /** Whether blobs of other repositories are mounted. */
  mounts?: boolean
  /** Whether it has the referrers API. */
  referrers?: boolean
}

/** @returns whether it has answered, or ended the connection */
export type Fault = (request: IncomingMessage, response: ServerResponse, body: Buffer) => boolean

interface Manifest {
  mediaType: string
  bytes: Buffer
}

export class FakeRegistry {
  readonly blobs = new Map<string, Map<string, Buffer>>()
  readonly manifests = new Map<string, Map<string, Manifest>>()
  /** In the order of their coming. */
  seen: Seen[] = []
  /** Asked first of all, with the body so far as it has come. */
  fault: Fault = () => false
  /** Bodies of uploads are cut after so many bytes, once for each number. */
  cutUploadsAfter: number[] = []
  readonly tokens = new Set<string>()
  readonly #options: FakeOptions
  readonly #uploads = new Map<string, Buffer>()
  readonly #server: Server

  private constructor(options: FakeOptions) {
    this.#options = options
    const answer = (request: IncomingMessage, response: ServerResponse) => {
      this.#answer(request, response).catch(() => response.destroy())
    }
    this.#server = options.tls === undefined ? createServer(answer) : createTlsServer(options.tls, answer)
  }

  static async start(options: FakeOptions = {}): Promise<FakeRegistry> {
    const registry = new FakeRegistry(options)
    registry.#server.listen(0, '127.0.0.1')
    await once(registry.#server, 'listening')
    return registry
  }

  get host(): string {
    const address = this.#server.address()
    return `127.0.0.1:${address !== null && typeof address === 'object' ? address.port : 0}`
  }

  /** Requests as `GET /v2/…`, those for tokens left out. */
  calls(): string[] {
    return this.seen
      .filter(({ path }) => !path.startsWith('/token'))
      .map(({ method, path }) => `${method} ${path}`)
  }

  /** Uploads that were begun and neither ended nor cancelled. */
  get openUploads(): number {
    return this.#uploads.size
  }

  addBlob(repository: string, bytes: Buffer): Digest {
    const digest = digestOf(bytes)
    this.#of(this.blobs, repository).set(digest, bytes)
    return digest
  }

  addManifest(repository: string, tag: string, mediaType: string, document: object): Digest {
    const bytes = Buffer.from(JSON.stringify(document))
    const digest = digestOf(bytes)
    for (const name of [tag, digest]) this.#of(this.manifests, repository).set(name, { mediaType, bytes })
    return digest
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections()
    this.#server.close()
    await once(this.#server, 'close')
  }

  #of<T>(all: Map<string, Map<string, T>>, repository: string): Map<string, T> {
    const known = all.get(repository) ?? new Map<string, T>()
    all.set(repository, known)
    return known
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = '', url = '', headers } = request
    const { range, authorization } = headers
    const seen: Seen = { method, path: url, range, authorization, status: 0 }
    this.seen.push(seen)
    response.on('close', () => {
      seen.status = response.statusCode
    })
    const address = new URL(url, 'http://fake')
    if (address.pathname === '/token') {
      this.#giveToken(request, response)
      return
    }
    const upload = /^\/v2\/(.+)\/blobs\/uploads\/([^/]+)$/.exec(address.pathname)
    const body = await this.#body(request, upload?.[2])
    if (body === null || this.fault(request, response, body)) return
    if (!this.#isKnown(authorization)) return this.#challenge(response, address)
    if (upload !== null) this.#append(upload[2] as string, body)
    if (upload !== null)
      return this.#continueUpload(request, response, address, upload[1] as string, upload[2] as string)
    const [, repository = '', kind, rest = ''] =
      /^\/v2\/(.+)\/(blobs|manifests|referrers)\/(.*)$/.exec(address.pathname) ?? []
    if (kind === 'blobs' && method === 'POST') return this.#beginUpload(response, address, repository)
    if (kind === 'blobs') return this.#giveBlob(request, response, this.blobs.get(repository)?.get(rest))
    if (kind === 'manifests' && method === 'PUT')
      return this.#putManifest(request, response, repository, rest, body)
    if (kind === 'manifests')
      return this.#giveManifest(method, response, this.manifests.get(repository)?.get(rest))
    if (kind === 'referrers' && this.#options.referrers)
      return this.#giveReferrers(response, repository, rest)
    fail(response, 404, 'UNSUPPORTED', 'there is no such thing')
  }

  /** What has come of an upload stays, also of one that breaks off. @returns null where it was cut */
  async #body(request: IncomingMessage, upload: string | undefined): Promise<Buffer | null> {
    const { socket } = request
    const pieces: Buffer[] = []
    const cut = upload !== undefined && request.method !== 'GET' ? this.cutUploadsAfter.shift() : undefined
    let bytes = 0
    for await (const piece of request as AsyncIterable<Buffer>) {
      const left = cut === undefined ? piece.length : Math.min(piece.length, cut - bytes)
      pieces.push(piece.subarray(0, left))
      bytes += left
      if (cut !== undefined && bytes >= cut) break
    }
    const body = Buffer.concat(pieces)
    if (cut === undefined) return body
    this.#append(upload as string, body)
    socket.destroy()
    return null
  }

  #append(upload: string, bytes: Buffer): void {
    const known = this.#uploads.get(upload)
    if (known !== undefined) this.#uploads.set(upload, Buffer.concat([known, bytes]))
  }

  #isKnown(authorization: string | undefined): boolean {
    const { login } = this.#options
    if (login === undefined) return true
    if (login.kind === 'basic') return authorization === basic(login)
    return this.tokens.has(authorization?.replace('Bearer ', '') ?? '')
  }

  #challenge(response: ServerResponse, { pathname }: URL): void {
    const { login } = this.#options
    const [, repository] = /^\/v2\/(.+)\/(?:blobs|manifests|referrers)\//.exec(pathname) ?? []
    const scope = `repository:${repository}:pull`
    const challenge =
      login?.kind === 'basic'
        ? 'Basic realm="fake"'
        : `Bearer realm="http://${this.host}/token",service="fake, inc",scope="${scope}"`
    response.setHeader('www-authenticate', challenge)
    fail(response, 401, 'UNAUTHORIZED', 'authentication required')
  }

  #giveToken({ headers }: IncomingMessage, response: ServerResponse): void {
    const { login } = this.#options
    if (login !== undefined && headers.authorization !== basic(login)) {
      fail(response, 401, 'UNAUTHORIZED', 'wrong password')
      return
    }
    const token = randomUUID()
    this.tokens.add(token)
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify({ token, expires_in: 300 }))
  }

  #giveBlob({ method, headers }: IncomingMessage, response: ServerResponse, blob: Buffer | undefined): void {
    if (blob === undefined) {
      fail(response, 404, 'BLOB_UNKNOWN', 'blob unknown to registry')
      return
    }
    const match = /^bytes=(\d+)-(\d*)$/.exec(headers.range ?? '')
    const start = Number(match?.[1] ?? 0)
    const end = Math.min(blob.length, match?.[2] ? Number(match[2]) + 1 : blob.length)
    if (match !== null && start >= blob.length) {
      fail(response, 416, 'RANGE_INVALID', 'no such bytes')
      return
    }
    const given = { 'content-length': end - start, 'content-type': 'application/octet-stream' }
    if (match === null) response.writeHead(200, given)
    else response.writeHead(206, { ...given, 'content-range': `bytes ${start}-${end - 1}/${blob.length}` })
    response.end(method === 'HEAD' ? undefined : blob.subarray(start, end))
  }

  #giveManifest(method: string, response: ServerResponse, manifest: Manifest | undefined): void {
    if (manifest === undefined) {
      fail(response, 404, 'MANIFEST_UNKNOWN', 'manifest unknown')
      return
    }
    const { mediaType, bytes } = manifest
    response.writeHead(200, {
      'content-type': mediaType,
      'content-length': bytes.length,
      'docker-content-digest': digestOf(bytes),
    })
    response.end(method === 'HEAD' ? undefined : bytes)
  }

  #putManifest(
    { headers }: IncomingMessage,
    response: ServerResponse,
    repository: string,
    reference: string,
    bytes: Buffer,
  ): void {
    const document = JSON.parse(bytes.toString())
    const lacks = [document.config, ...(document.layers ?? [])].some(
      (blob) => blob !== undefined && !this.blobs.get(repository)?.has(blob.digest),
    )
    if (lacks) {
      fail(response, 400, 'MANIFEST_BLOB_UNKNOWN', 'blob unknown to registry')
      return
    }
    const manifest = { mediaType: headers['content-type'] ?? '', bytes }
    for (const name of [reference, digestOf(bytes)]) this.#of(this.manifests, repository).set(name, manifest)
    if (this.#options.referrers && document.subject)
      response.setHeader('oci-subject', document.subject.digest)
    response.writeHead(201, { 'docker-content-digest': digestOf(bytes) }).end()
  }

  #giveReferrers(response: ServerResponse, repository: string, subject: string): void {
    const all = [...(this.manifests.get(repository)?.values() ?? [])].map(({ mediaType, bytes }) => ({
      mediaType,
      bytes,
      document: JSON.parse(bytes.toString()),
    }))
    const found = all.filter(({ document }) => document.subject?.digest === subject)
    const manifests = [...new Map(found.map((one) => [digestOf(one.bytes), one]))].map(([digest, one]) => ({
      mediaType: one.mediaType,
      digest,
      size: one.bytes.length,
      artifactType: one.document.artifactType,
      annotations: one.document.annotations,
    }))
    response.setHeader('content-type', 'application/vnd.oci.image.index.v1+json')
    response.end(JSON.stringify({ schemaVersion: 2, manifests }))
  }

  #beginUpload(response: ServerResponse, { searchParams }: URL, repository: string): void {
    const [mount, from] = [searchParams.get('mount'), searchParams.get('from')]
    const blob = this.#options.mounts && mount && from ? this.blobs.get(from)?.get(mount) : undefined
    if (blob !== undefined) {
      this.#of(this.blobs, repository).set(mount as string, blob)
      return void response.writeHead(201).end()
    }
    const id = randomUUID()
    this.#uploads.set(id, Buffer.alloc(0))
    response
      .writeHead(202, { location: `/v2/${repository}/blobs/uploads/${id}?state=a%3D`, range: '0-0' })
      .end()
  }

  #continueUpload(
    { method = '', headers }: IncomingMessage,
    response: ServerResponse,
    address: URL,
    repository: string,
    id: string,
  ): void {
    const bytes = this.#uploads.get(id)
    if (bytes === undefined) {
      fail(response, 404, 'BLOB_UPLOAD_UNKNOWN', 'upload unknown')
      return
    }
    const place = {
      location: `${address.pathname}${address.search}`,
      range: `0-${Math.max(0, bytes.length - 1)}`,
    }
    if (method === 'GET') {
      response.writeHead(204, place).end()
      return
    }
    const sent = Number(headers['content-length'] ?? 0)
    const start = /^(\d+)-/.exec(headers['content-range'] ?? '')?.[1]
    if (start !== undefined && Number(start) !== bytes.length - sent) {
      fail(response, 416, 'RANGE_INVALID', 'these bytes do not follow')
      return
    }
    if (method === 'PATCH')
      return void response.writeHead(202, { ...place, location: `${address.pathname}?state=b` }).end()
    this.#uploads.delete(id)
    if (method === 'DELETE') {
      response.writeHead(204).end()
      return
    }
    const digest = address.searchParams.get('digest') ?? ''
    if (digestOf(bytes) !== digest) {
      fail(response, 400, 'DIGEST_INVALID', 'digest did not match')
      return
    }
    this.#of(this.blobs, repository).set(digest, bytes)
    response.writeHead(201, { 'docker-content-digest': digest }).end()
  }
}

export function fail(response: ServerResponse, status: number, code: string, message: string): void {
  response.writeHead(status, { 'content-type': 'application/json' })
  response.end(JSON.stringify({ errors: [{ code, message }] }))
}

function basic({ username, password }: { username: string; password: string }): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`
}

/**
 * Nothing of this machine's own settings. What comes again comes soon; deadlines are the usual ones, so that no busy machine
 * is taken for a silent registry: a test of one shortens it.
 */
export function testSettings(folder: string, changes: Partial<RegistrySettings> = {}): RegistrySettings {
  const limits = { ...LIMITS, retrySeconds: 0.002, chunkBytes: 1024 * 1024 }
  const none = { hostsFolders: [], certificateFolders: [] }
  return { ...usualSettings(folder), ...none, configFile: null, limits, ...changes }
}
