/**
 * Threads that compress, and the memory they work in. A batch of members is admitted while the bytes under way stay
 * below a bound, whatever the layer's size; results do not depend on how many threads there are.
 */
import { Worker } from 'node:worker_threads'
import { memberBytesMax } from '../../native/compression.ts'
import { CodedError } from '../../shared/errors.ts'
import type { CompressReply, CompressRequest } from './compression-worker.ts'

/** Uncompressed bytes of a batch, unless one member alone is larger. */
export const BATCH_BYTES = 4 * 1024 * 1024
export const BATCH_MEMBERS = 4096
/** Batches under way for each thread: one in work, one waiting in its port. */
const BATCHES_PER_WORKER = 2
/** A further batch, being filled or written: a second one costs memory and brings no time. */
const BATCHES_ASIDE = 1

/** A chunk of the usual size, its padding and the headers after it. */
const STANDARD_INPUT_BYTES = BATCH_BYTES + 64 * 1024
const STANDARD_OUTPUT_BYTES = memberBytesMax(STANDARD_INPUT_BYTES) + BATCH_MEMBERS * memberBytesMax(1)

/** A thread failed. Code: COMPRESSION_FAILED. */
export class CompressionError extends CodedError {
  constructor(what: string, options: { cause?: unknown } = {}) {
    super('COMPRESSION_FAILED', `compressing failed: ${what}`, options)
  }
}

export interface PoolOptions {
  workers: number
  /** Most bytes under way, uncompressed and compressed; a single larger batch is admitted alone. */
  memoryBytes?: number
}

export type CompressJob = Pick<CompressRequest, 'codec' | 'memberLengths' | 'payloads'> & {
  /** For large members, by the same thread each: what it takes for them, it keeps. */
  sameThread?: boolean
}

/** Memory for a batch: members are put into `input` one after the other. Goes back with `release`. */
export interface BatchBuffers {
  input: Buffer
  output: Buffer
  admittedBytes: number
}

export interface CompressedBatch {
  /** The members, in the batch's output buffer. */
  memberLengths: Uint32Array
  payloadDigests: string[]
}

interface Job {
  resolve(batch: CompressedBatch): void
  reject(error: Error): void
}

interface Thread {
  worker: Worker
  jobs: Map<number, Job>
}

export class CompressionPool {
  readonly #threads: Thread[]
  readonly #bytesMax: number
  #admittedBytes = 0
  readonly #waiting: (() => void)[] = []
  readonly #free: BatchBuffers[] = []
  #lastId = 0
  #failure: CompressionError | undefined

  constructor({ workers, memoryBytes = Number.POSITIVE_INFINITY }: PoolOptions) {
    const usualBytes = (workers * BATCHES_PER_WORKER + BATCHES_ASIDE) * STANDARD_INPUT_BYTES
    const share = STANDARD_INPUT_BYTES / (STANDARD_INPUT_BYTES + STANDARD_OUTPUT_BYTES)
    this.#bytesMax = Math.min(usualBytes, Math.floor(memoryBytes * share))
    this.#threads = Array.from({ length: workers }, () => this.#start())
  }

  #start(): Thread {
    const worker = new Worker(new URL('./compression-worker.js', import.meta.url))
    const thread: Thread = { worker, jobs: new Map() }
    worker.on('message', (reply: CompressReply) => this.#settle(thread, reply))
    worker.on('error', (cause) => this.#fail(new CompressionError('a thread died', { cause })))
    // A pool that nobody uses does not keep the process alive; jobs do.
    worker.unref()
    return thread
  }

  /** Waits until a batch of `members` may be under way; gives the memory for it. */
  async acquire(memberLengths: Uint32Array): Promise<BatchBuffers> {
    let inputBytes = 0
    let outputBytes = 0
    for (const bytes of memberLengths) {
      inputBytes += bytes
      outputBytes += memberBytesMax(bytes)
    }
    const admittedBytes = Math.max(inputBytes, BATCH_BYTES)
    while (this.#admittedBytes > 0 && this.#admittedBytes + admittedBytes > this.#bytesMax) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve))
    }
    this.#admittedBytes += admittedBytes
    const standard = inputBytes <= STANDARD_INPUT_BYTES && outputBytes <= STANDARD_OUTPUT_BYTES
    const free = standard ? this.#free.pop() : undefined
    return free === undefined ? allocate(inputBytes, outputBytes, admittedBytes) : { ...free, admittedBytes }
  }

  release(buffers: BatchBuffers): void {
    this.#admittedBytes -= buffers.admittedBytes
    // An oversized pair was for one large member; keeping it would hold the memory for the rest of the run.
    const standard =
      buffers.input.length === STANDARD_INPUT_BYTES && buffers.output.length === STANDARD_OUTPUT_BYTES
    if (standard) this.#free.push(buffers)
    for (const wake of this.#waiting.splice(0)) wake()
  }

  /** What lies in the batch's input, compressed into its output. */
  compress(buffers: BatchBuffers, job: CompressJob): Promise<CompressedBatch> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure)
    const thread = this.#threads.reduce((a, b) => (!job.sameThread && b.jobs.size < a.jobs.size ? b : a))
    const id = ++this.#lastId
    const request: CompressRequest = {
      id,
      codec: job.codec,
      input: buffers.input.buffer as unknown as SharedArrayBuffer,
      output: buffers.output.buffer as unknown as SharedArrayBuffer,
      memberLengths: job.memberLengths,
      payloads: job.payloads,
    }
    return new Promise((resolve, reject) => {
      thread.jobs.set(id, { resolve, reject })
      thread.worker.ref()
      thread.worker.postMessage(request)
    })
  }

  #settle(thread: Thread, reply: CompressReply): void {
    const job = thread.jobs.get(reply.id)
    thread.jobs.delete(reply.id)
    if (thread.jobs.size === 0) thread.worker.unref()
    if ('error' in reply) job?.reject(new CompressionError(reply.error))
    else job?.resolve(reply)
  }

  #fail(error: CompressionError): void {
    this.#failure ??= error
    for (const { jobs } of this.#threads) {
      for (const job of jobs.values()) job.reject(this.#failure)
      jobs.clear()
    }
  }

  /** Ends the threads; what is still under way fails. Safe to call again. */
  async close(): Promise<void> {
    await Promise.all(this.#threads.map(({ worker }) => worker.terminate()))
    this.#fail(new CompressionError('the pool is closed'))
  }
}

function allocate(inputBytes: number, outputBytes: number, admittedBytes: number): BatchBuffers {
  return {
    input: shared(Math.max(inputBytes, STANDARD_INPUT_BYTES)),
    output: shared(Math.max(outputBytes, STANDARD_OUTPUT_BYTES)),
    admittedBytes,
  }
}

function shared(bytes: number): Buffer {
  return Buffer.from(new SharedArrayBuffer(bytes))
}
