/** Service Content: blobs by digest, and ingests, the blobs that are being written. */
import type { ClientDuplexStream } from '@grpc/grpc-js'
import { releaseMemory } from '../../native/memory.ts'
import type { Digest } from '../image/digest.ts'
import type { Connection, Method } from './connection.ts'
import { AlreadyExistsError, ifFound, toCodedError } from './errors.ts'
import {
  ContentService,
  type Info,
  WriteAction,
  WriteContentRequest,
  type WriteContentResponse,
} from './generated/content.ts'

/** containerd refuses messages above 16 MiB; larger ones than this gain nothing. */
const MESSAGE_BYTES = 1024 * 1024
/** Bytes on their way without an acknowledgement. */
const WINDOW_BYTES = 2 * MESSAGE_BYTES

/**
 * Requests are encoded when they are written, which copies their bytes: as objects they would wait in the channel's
 * queue while the caller fills their memory anew.
 */
const ENCODED_WRITE: Method<Buffer, WriteContentResponse> = {
  ...ContentService.write,
  requestSerialize: (encoded) => encoded,
}

export interface ContentInfo {
  digest: Digest
  sizeBytes: number
  labels: Record<string, string>
}

export class Content {
  readonly #connection: Connection

  constructor(connection: Connection) {
    this.#connection = connection
  }

  /** @throws {NotFoundError} */
  async info(digest: Digest): Promise<ContentInfo> {
    const response = await this.#connection.unary(
      ContentService.info,
      { digest },
      { what: `the blob ${digest}` },
    )
    return fromInfo(response.info as Info)
  }

  /** @throws {NotFoundError} */
  async *read(
    digest: Digest,
    range: { offsetBytes: number; lengthBytes?: number | undefined },
  ): AsyncGenerator<Buffer> {
    if (range.lengthBytes === 0) return
    const request = {
      digest,
      offset: BigInt(range.offsetBytes),
      size: BigInt(range.lengthBytes ?? 0),
    }
    const responses = this.#connection.stream(ContentService.read, request, { what: `the blob ${digest}` })
    for await (const { data } of responses) if (data.length > 0) yield data
  }

  /** Sets the labels named, removes those whose value is empty. @throws {NotFoundError} */
  async setLabels(digest: Digest, labels: Record<string, string>): Promise<void> {
    const paths = Object.keys(labels).map((key) => `labels.${key}`)
    if (paths.length === 0) return
    await this.#connection.unary(
      ContentService.update,
      { info: { digest, size: 0n, labels }, updateMask: paths },
      { what: `the blob ${digest}` },
    )
  }

  /** Refs of the ingests under way that begin with `prefix`. */
  async listIngests(prefix: string): Promise<string[]> {
    const { statuses } = await this.#connection.unary(
      ContentService.listStatuses,
      { filters: [] },
      { what: 'the list of ingests' },
    )
    return statuses.map(({ ref }) => ref).filter((ref) => ref.startsWith(prefix))
  }

  /** @returns false when there was no such ingest */
  async abort(ref: string): Promise<boolean> {
    return await ifFound(this.#connection.unary(ContentService.abort, { ref }, { what: `the ingest ${ref}` }))
  }

  /** Opens an ingest, empty whatever was there before. */
  async write(ref: string): Promise<Ingest> {
    await this.abort(ref)
    return new Ingest(this, this.#connection, ref)
  }

  /** Has an ingest made, empty, and leaves it: nobody writes to it now. */
  async prepare(ref: string): Promise<void> {
    await (await this.write(ref)).leave()
  }

  /** An ingest that was left. @param heldBytes that it has by now; the daemon reads and hashes them */
  resume(ref: string, heldBytes: number): Ingest {
    return new Ingest(this, this.#connection, ref, heldBytes)
  }
}

/** A blob on its way. Requests are sent without waiting for each answer, within a window. */
export class Ingest {
  readonly #content: Content
  readonly #connection: Connection
  readonly #ref: string
  readonly #call: ClientDuplexStream<Buffer, WriteContentResponse>
  #sentBytes: number
  #acknowledgedBytes = 0
  #answers = 0
  #committed = false
  #closed = false
  #failure: unknown
  #wake = () => {}

  constructor(content: Content, connection: Connection, ref: string, heldBytes = 0) {
    this.#content = content
    this.#connection = connection
    this.#ref = ref
    this.#sentBytes = heldBytes
    this.#call = connection.duplex(ENCODED_WRITE)
    this.#call.on('data', (response: WriteContentResponse) => {
      this.#answers++
      this.#acknowledgedBytes = Number(response.offset)
      this.#committed ||= response.action === WriteAction.COMMIT
      this.#wake()
    })
    this.#call.on('error', (error) => this.#close(this.#translate(error)))
    this.#call.on('end', () => this.#close(undefined))
  }

  /** Resolves when few enough bytes are on their way; the memory is the caller's again then. */
  async write(bytes: Uint8Array): Promise<void> {
    for (let start = 0; start < bytes.length; start += MESSAGE_BYTES) {
      const data = Buffer.from(
        bytes.buffer,
        bytes.byteOffset + start,
        Math.min(MESSAGE_BYTES, bytes.length - start),
      )
      this.#send(WriteAction.WRITE, { data })
      this.#sentBytes += data.length
      await this.#until(() => this.#sentBytes - this.#acknowledgedBytes <= WINDOW_BYTES)
    }
  }

  /**
   * @throws {AlreadyExistsError} the blob is there already; it is not the lease's thereby
   * @throws {ContainerdError} CONTENT_MISMATCH
   */
  async commit(digest: Digest, sizeBytes: number, labels: Record<string, string>): Promise<void> {
    this.#send(WriteAction.COMMIT, { total: BigInt(sizeBytes), expected: digest, labels })
    await this.#until(() => this.#committed)
    this.#call.end()
  }

  /** Has the daemon read and hash what it holds, whose size it finds itself: another one is refused. Not waited for. */
  begin(): void {
    this.#send(WriteAction.WRITE, {})
  }

  /** Ends the call; what was written stays. */
  async leave(): Promise<void> {
    this.begin()
    await this.#until(() => this.#answers > 0)
    this.#call.end()
    await this.#until(() => this.#closed)
  }

  /** Ends the call and removes what was written; safe at any time. */
  async abort(): Promise<void> {
    if (this.#committed || this.#failure instanceof AlreadyExistsError) return
    this.#call.end()
    // The daemon lets go of the ref when its side of the call has ended.
    await this.#until(() => this.#closed).catch(() => {})
    await this.#content.abort(this.#ref)
  }

  #send(action: WriteAction, fields: Partial<WriteContentRequest>): void {
    if (this.#failure !== undefined) throw this.#failure
    const request: WriteContentRequest = {
      action,
      ref: this.#ref,
      total: 0n,
      expected: '',
      offset: BigInt(this.#sentBytes),
      data: Buffer.alloc(0),
      labels: {},
      ...fields,
    }
    const { buffer, byteOffset, byteLength } = WriteContentRequest.encode(request).finish()
    const encoded = Buffer.from(buffer, byteOffset, byteLength)
    // Its bytes are in the channel's own message then, or are not sent at all.
    this.#call.write(encoded, () => releaseMemory(encoded))
  }

  async #until(reached: () => boolean): Promise<void> {
    while (!reached()) {
      if (this.#failure !== undefined) throw this.#failure
      if (this.#closed) throw new Error(`containerd ended the ingest ${this.#ref} early`)
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }

  #close(failure: unknown): void {
    this.#closed = true
    this.#failure ??= failure
    this.#wake()
  }

  #translate(error: unknown): unknown {
    return toCodedError(
      error,
      this.#connection.context(ContentService.write, { what: `the ingest ${this.#ref}` }),
    )
  }
}

function fromInfo(info: Info): ContentInfo {
  return { digest: info.digest as Digest, sizeBytes: Number(info.size), labels: info.labels }
}
