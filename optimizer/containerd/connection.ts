/** One channel to containerd's socket: metadata, deadlines, cancellation, errors. Knows no service. */
import {
  Client,
  type ClientDuplexStream,
  credentials,
  Metadata,
  type ServiceError,
  status,
} from '@grpc/grpc-js'
import { InterruptedError, UsageError } from '../../shared/errors.ts'
import { type CallContext, toCodedError } from './errors.ts'

/** A method as the generated service definitions describe it. */
export interface Method<Request, Response> {
  readonly path: string
  readonly requestSerialize: (value: Request) => Buffer
  readonly responseDeserialize: (value: Buffer) => Response
}

export interface CallOptions {
  /** What the call is about, as a noun, for error messages. */
  what: string
  /** Default 30; Infinity for calls that wait for something. */
  timeoutSeconds?: number
  /** Cancels the call, which then throws {@link InterruptedError}. */
  signal?: AbortSignal | undefined
}

const TIMEOUT_SECONDS_DEFAULT = 30
const MIB = 1024 * 1024
const CHANNEL_OPTIONS = {
  // The default window of 64 KiB halves the throughput of a content read.
  'grpc-node.flow_control_window': MIB,
  'grpc.max_receive_message_length': 16 * MIB,
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 1000,
}

export class Connection {
  readonly address: string
  readonly namespace: string
  readonly leaseId: string | undefined
  readonly #client: Client

  private constructor(client: Client, address: string, namespace: string, leaseId?: string) {
    this.#client = client
    this.address = address
    this.namespace = namespace
    this.leaseId = leaseId
  }

  /** Does not connect yet: the first call does. @throws {UsageError} NAMESPACE_INVALID */
  static open(address: string, namespace: string): Connection {
    if (!/^[A-Za-z0-9]+([._-][A-Za-z0-9]+)*$/.test(namespace) || namespace.length > 76) {
      throw new UsageError(
        'NAMESPACE_INVALID',
        `${JSON.stringify(namespace)} is not a containerd namespace: use up to 76 letters, digits and single . _ -`,
      )
    }
    const path = address.replace(/^unix:(\/\/)?/, '')
    return new Connection(
      new Client(`unix:${path}`, credentials.createInsecure(), CHANNEL_OPTIONS),
      path,
      namespace,
    )
  }

  /** The same channel; what is created through it belongs to the lease. */
  underLease(leaseId: string): Connection {
    return new Connection(this.#client, this.address, this.namespace, leaseId)
  }

  /** The same channel, under no lease. */
  inNamespace(namespace: string): Connection {
    return new Connection(this.#client, this.address, namespace)
  }

  close(): void {
    this.#client.close()
  }

  async unary<Request, Response>(
    method: Method<Request, Response>,
    request: Request,
    options: CallOptions,
  ): Promise<Response> {
    if (options.signal?.aborted) throw new InterruptedError()
    const { requestSerialize, responseDeserialize, path } = method
    let cancel = () => {}
    const deadline = new Deadline(options.timeoutSeconds ?? TIMEOUT_SECONDS_DEFAULT, () => cancel())
    try {
      return await new Promise<Response>((resolve, reject) => {
        const done = (error: ServiceError | null, response?: Response) =>
          error ? reject(error) : resolve(response as Response)
        const call = this.#client.makeUnaryRequest(
          path,
          requestSerialize,
          responseDeserialize,
          request,
          this.#metadata(),
          done,
        )
        cancel = () => call.cancel()
        options.signal?.addEventListener('abort', cancel, { once: true })
      })
    } catch (error) {
      throw toCodedError(deadline.told(error), this.context(method, options))
    } finally {
      deadline.clear()
      options.signal?.removeEventListener('abort', cancel)
    }
  }

  /** The responses of a streaming call; leaving the iteration early cancels it. */
  async *stream<Request, Response>(
    method: Method<Request, Response>,
    request: Request,
    options: CallOptions,
  ): AsyncGenerator<Response> {
    if (options.signal?.aborted) throw new InterruptedError()
    const { requestSerialize, responseDeserialize, path } = method
    const call = this.#client.makeServerStreamRequest(
      path,
      requestSerialize,
      responseDeserialize,
      request,
      this.#metadata(),
    )
    // A call cancelled by us reports so when nobody iterates any more.
    call.on('error', () => {})
    const cancel = () => call.cancel()
    const deadline = new Deadline(options.timeoutSeconds ?? Number.POSITIVE_INFINITY, cancel)
    options.signal?.addEventListener('abort', cancel, { once: true })
    try {
      for await (const response of call) yield response
    } catch (error) {
      throw toCodedError(deadline.told(error), this.context(method, options))
    } finally {
      deadline.clear()
      options.signal?.removeEventListener('abort', cancel)
      call.cancel()
    }
  }

  /** Errors arrive as gRPC's: the caller translates them with {@link Connection.context}. */
  duplex<Request, Response>(method: Method<Request, Response>): ClientDuplexStream<Request, Response> {
    return this.#client.makeBidiStreamRequest(
      method.path,
      method.requestSerialize,
      method.responseDeserialize,
      this.#metadata(),
    )
  }

  context(method: { readonly path: string }, options: CallOptions): CallContext {
    return {
      address: this.address,
      namespace: this.namespace,
      what: options.what,
      method: method.path.slice(method.path.lastIndexOf('.') + 1),
      signal: options.signal,
    }
  }

  #metadata(): Metadata {
    const metadata = new Metadata()
    metadata.set('containerd-namespace', this.namespace)
    if (this.leaseId !== undefined) metadata.set('containerd-lease', this.leaseId)
    return metadata
  }
}

/** gRPC's own deadlines are times of day: a clock that jumps would end a call, or never. */
class Deadline {
  readonly #timer: NodeJS.Timeout | undefined
  #passed = false

  constructor(timeoutSeconds: number, cancel: () => void) {
    if (timeoutSeconds === Number.POSITIVE_INFINITY) return
    this.#timer = setTimeout(() => {
      this.#passed = true
      cancel()
    }, timeoutSeconds * 1000)
  }

  clear(): void {
    clearTimeout(this.#timer)
  }

  /** The error of a call that was cancelled because its time was up, as gRPC tells it. */
  told(error: unknown): unknown {
    const cancelled = (error as Partial<ServiceError>).code === status.CANCELLED
    return this.#passed && cancelled
      ? Object.assign(error as ServiceError, { code: status.DEADLINE_EXCEEDED })
      : error
  }
}
