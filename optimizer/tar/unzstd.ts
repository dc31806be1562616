/**
 * Decompresses zstd in a thread of its own: any number of frames, skippable ones among them. What the thread and
 * this side hold between them does not depend on how much comes out.
 *
 * @see RFC 8878
 */
import { Worker } from 'node:worker_threads'
import { WINDOW_LOG_MAX } from '../../native/zstd.ts'
import { TarLimitError } from './errors.ts'
import type { UnzstdReply, UnzstdRequest } from './unzstd-worker.ts'

/** The stream is no zstd, or is cut off. */
export class ZstdFormatError extends Error {
  constructor(what: string, options: { cause?: unknown } = {}) {
    super(what, options)
    this.name = 'ZstdFormatError'
  }
}

/** Pieces of input that wait in the thread, and of output that wait here. */
const INPUTS_AHEAD = 3
const OUTPUTS_AHEAD = 4

/** @throws {ZstdFormatError} @throws {TarLimitError}; errors of the source as they are */
export async function* unzstd(source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const thread = new Thread()
  const stopped = new AbortController()
  const feeding = feed(source, thread, stopped.signal)
  try {
    for (let granted = 0; granted < OUTPUTS_AHEAD; granted++) thread.post({ kind: 'credit' })
    for (;;) {
      const piece = await thread.next()
      if (piece === undefined) break
      yield piece
      thread.post({ kind: 'credit' })
    }
  } finally {
    stopped.abort()
    await thread.close()
    await feeding
  }
}

/** Gives the thread what it has room for; a failure of the source goes to whoever waits for output. */
async function feed(source: AsyncIterable<Buffer>, thread: Thread, stopped: AbortSignal): Promise<void> {
  const iterator = source[Symbol.asyncIterator]()
  try {
    while (!stopped.aborted) {
      const { done, value } = await iterator.next()
      if (done || stopped.aborted) break
      // A copy: a piece may be a view of much larger memory, all of which would be sent.
      thread.post({ kind: 'input', piece: new Uint8Array(value) })
      await thread.room()
    }
    thread.post({ kind: 'end' })
  } catch (error) {
    thread.fail(error)
  }
}

class Thread {
  readonly #worker = new Worker(new URL('./unzstd-worker.js', import.meta.url))
  readonly #outputs: Buffer[] = []
  #inputs = 0
  #ended = false
  #failure: { error: unknown } | undefined
  #changed: (() => void)[] = []

  constructor() {
    this.#worker.on('message', (reply: UnzstdReply) => this.#take(reply))
    this.#worker.on('error', (error) => this.fail(error))
  }

  post(request: UnzstdRequest): void {
    if (request.kind !== 'input') this.#worker.postMessage(request)
    else {
      this.#inputs++
      this.#worker.postMessage(request, [request.piece.buffer])
    }
  }

  /** The next piece of output; undefined after the last. */
  async next(): Promise<Buffer | undefined> {
    for (;;) {
      const piece = this.#outputs.shift()
      if (piece !== undefined) return piece
      if (this.#failure !== undefined) throw this.#failure.error
      if (this.#ended) return undefined
      await this.#change()
    }
  }

  /** Until a further piece of input may be sent, or nobody needs one. */
  async room(): Promise<void> {
    while (this.#inputs >= INPUTS_AHEAD && !this.#ended && this.#failure === undefined) await this.#change()
  }

  fail(error: unknown): void {
    this.#failure ??= { error }
    this.#wake()
  }

  async close(): Promise<void> {
    this.#ended = true
    this.#wake()
    await this.#worker.terminate()
  }

  #take(reply: UnzstdReply): void {
    switch (reply.kind) {
      case 'output':
        this.#outputs.push(Buffer.from(reply.piece.buffer, 0, reply.piece.length))
        break
      case 'taken':
        this.#inputs--
        break
      case 'end':
        if (reply.inFrame) this.#failure ??= { error: new ZstdFormatError('it ends inside a frame') }
        this.#ended = true
        break
      case 'error':
        this.#failure ??= { error: formatError(reply.message) }
        break
    }
    this.#wake()
  }

  #change(): Promise<void> {
    return new Promise((resolve) => this.#changed.push(resolve))
  }

  #wake(): void {
    for (const wake of this.#changed.splice(0)) wake()
  }
}

/** zstd's own words; a window beyond the limit is nothing wrong with the bytes. */
function formatError(message: string): Error {
  if (/requires too much memory/i.test(message)) {
    return new TarLimitError(`its zstd frames need a window of more than ${2 ** (WINDOW_LOG_MAX - 20)} MiB`)
  }
  return new ZstdFormatError(message)
}
