/**
 * Threads that compress, and the memory they work in. A batch of members is admitted while the bytes under way stay
 * below a bound, whatever the layer's size; results do not depend on how many threads there are.
 */
import { Worker } from 'node:worker_threads'
import { memberBytesMax } from '../../native/compression.ts'
import { forgetContent } from '../../native/memory.ts'
import { CodedError } from '../../shared/errors.ts'
import type { CompressReply, CompressRequest } from './compression-worker.ts'

/** Uncompressed bytes of a batch, unless one member alone is larger. */
export const BATCH_BYTES = 4 * 1024 * 1024
export const BATCH_MEMBERS = 4096
/** Batches under way for each thread: one in work, one waiting in its port. */
const BATCHES_PER_WORKER = 2
/** A further batch, being filled or written: a second one costs memory and brings no time. */
const BATCHES_ASIDE = 1

/** Of a thread's heap: a batch leaves some digests behind and little else, but Node would let it grow to 48. */
const YOUNG_MIB = 4

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
  /** At a level that takes many times as long as the usual one: nothing is given to its thread before it is done. */
  isSlow?: boolean
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
  request: CompressRequest
  sameThread: boolean
  isSlow: boolean
  resolve(batch: CompressedBatch): void
  reject(error: Error): void
}

interface Thread {
  worker: Worker
  /** One in work, and one that waits in its port. */
  jobs: Map<number, Job>
}

const JOBS_PER_THREAD = 2

/** Who waits until there is room for so many bytes. */
interface Waiting {
  bytes: number
  admit(): void
}

export class CompressionPool {
  readonly #threads: Thread[]
  readonly #bytesMax: number
  #admittedBytes = 0
  readonly #waiting: Waiting[] = []
  /** For which no thread has room yet. */
  #queue: Job[] = []
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
    const worker = new Worker(new URL('./compression-worker.js', import.meta.url), {
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MIB },
    })
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
    // In turn: who needs much would wait for ever while others need little.
    await new Promise<void>((admit) => {
      this.#waiting.push({ bytes: admittedBytes, admit })
      this.#admit()
    })
    const standard = inputBytes <= STANDARD_INPUT_BYTES && outputBytes <= STANDARD_OUTPUT_BYTES
    const free = standard ? this.#free.pop() : undefined
    return free === undefined ? allocate(inputBytes, outputBytes, admittedBytes) : { ...free, admittedBytes }
  }

  release(buffers: BatchBuffers): void {
    this.#admittedBytes -= buffers.admittedBytes
    // An oversized pair was for one large member; keeping it would hold the memory for the rest of the run, and so would
    // the threads, who have seen it, until they collect.
    const standard =
      buffers.input.length === STANDARD_INPUT_BYTES && buffers.output.length === STANDARD_OUTPUT_BYTES
    if (standard) this.#free.push(buffers)
    else forget(buffers)
    this.#admit()
  }

  #admit(): void {
    for (let [next] = this.#waiting; next !== undefined; [next] = this.#waiting) {
      if (this.#admittedBytes > 0 && this.#admittedBytes + next.bytes > this.#bytesMax) return
      this.#admittedBytes += next.bytes
      this.#waiting.shift()
      next.admit()
    }
  }

  /** What lies in the batch's input, compressed into its output. */
  compress(buffers: BatchBuffers, job: CompressJob): Promise<CompressedBatch> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure)
    const request: CompressRequest = {
      id: ++this.#lastId,
      codec: job.codec,
      input: buffers.input.buffer as unknown as SharedArrayBuffer,
      output: buffers.output.buffer as unknown as SharedArrayBuffer,
      memberLengths: job.memberLengths,
      payloads: job.payloads,
    }
    const { sameThread = false, isSlow = false } = job
    // It takes tens of megabytes of its own, and nobody else as much as before meanwhile.
    if (isSlow) for (const free of this.#free) forget(free)
    return new Promise((resolve, reject) => {
      this.#queue.push({ request, sameThread, isSlow, resolve, reject })
      this.#dispatch()
    })
  }

  #dispatch(): void {
    this.#queue = this.#queue.filter((job) => {
      const thread = this.#threadFor(job)
      if (thread === undefined) return true
      thread.jobs.set(job.request.id, job)
      thread.worker.ref()
      thread.worker.postMessage(job.request)
      return false
    })
  }

  /** With the fewest jobs of those that may have it. */
  #threadFor({ sameThread }: Job): Thread | undefined {
    const [first, ...others] = this.#threads
    let best: Thread | undefined
    for (const thread of sameThread ? [first] : [...others, first]) {
      if (thread === undefined || !hasRoom(thread)) continue
      if (best === undefined || thread.jobs.size < best.jobs.size) best = thread
    }
    return best
  }

  #settle(thread: Thread, reply: CompressReply): void {
    const job = thread.jobs.get(reply.id)
    thread.jobs.delete(reply.id)
    if (thread.jobs.size === 0) thread.worker.unref()
    this.#dispatch()
    if ('error' in reply) job?.reject(new CompressionError(reply.error))
    else job?.resolve(reply)
  }

  #fail(error: CompressionError): void {
    this.#failure ??= error
    for (const { jobs } of this.#threads) {
      for (const job of jobs.values()) job.reject(this.#failure)
      jobs.clear()
    }
    for (const job of this.#queue.splice(0)) job.reject(this.#failure)
  }

  /** Ends the threads; what is still under way fails. Safe to call again. */
  async close(): Promise<void> {
    await Promise.all(this.#threads.map(({ worker }) => worker.terminate()))
    this.#fail(new CompressionError('the pool is closed'))
  }
}

function hasRoom({ jobs }: Thread): boolean {
  return jobs.size < JOBS_PER_THREAD && ![...jobs.values()].some(({ isSlow }) => isSlow)
}

function allocate(inputBytes: number, outputBytes: number, admittedBytes: number): BatchBuffers {
  return {
    input: shared(Math.max(inputBytes, STANDARD_INPUT_BYTES)),
    output: shared(Math.max(outputBytes, STANDARD_OUTPUT_BYTES)),
    admittedBytes,
  }
}

function forget({ input, output }: BatchBuffers): void {
  forgetContent(input)
  forgetContent(output)
}

function shared(bytes: number): Buffer {
  return Buffer.from(new SharedArrayBuffer(bytes))
}
