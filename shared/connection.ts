/** One socket between optimizer and notifier: messages out with back-pressure, messages in as an iterator. */
import type { Socket } from 'node:net'
import { CodedError, messageOf } from './errors.ts'
import { decodeFrames, encodeFrame } from './frame.ts'
import { encodeMessage, type FromNotifier, type FromOptimizer } from './messages.ts'

/** The peer can no longer be reached. Code: CONNECTION_LOST. */
export class ConnectionError extends CodedError {}

const CLOSE_PATIENCE_MILLISECONDS = 1000

/** @typeParam In messages of the peer. @typeParam Out messages of this side. */
export class Connection<In, Out extends FromNotifier | FromOptimizer> {
  readonly #socket: Socket
  readonly #decode: (payload: Uint8Array) => In | null
  #lost: ConnectionError | null = null
  /** Messages of a type that this version does not know; they were ignored. */
  unknownMessages = 0

  /** @param decode returns null for a message of an unknown type, throws for an unacceptable one */
  constructor(socket: Socket, decode: (payload: Uint8Array) => In | null) {
    this.#socket = socket
    this.#decode = decode
    socket.on('error', (cause) => this.#lose(`the connection broke: ${messageOf(cause)}`, cause))
    socket.on('close', () => this.#lose('the connection is closed'))
  }

  #lose(message: string, cause?: unknown): void {
    this.#lost ??= new ConnectionError('CONNECTION_LOST', message, { cause })
  }

  /** Resolves when the socket takes more: whoever awaits it holds no more than one message beyond its buffer. */
  async send(message: Out): Promise<void> {
    await this.sendFrames(encodeFrame(encodeMessage(message)))
  }

  /** Messages that are encoded and framed already; resolves as `send` does. They are the socket's from now on. */
  async sendFrames(frames: Buffer): Promise<void> {
    if (this.#lost !== null) throw this.#lost
    if (this.#socket.write(frames)) return
    await new Promise<void>((resolve) => {
      const settle = () => {
        this.#socket.off('drain', settle)
        this.#socket.off('close', settle)
        resolve()
      }
      this.#socket.on('drain', settle)
      this.#socket.on('close', settle)
    })
    if (this.#lost !== null) throw this.#lost
  }

  /**
   * The peer's messages until it closes. To be iterated once; the connection stays open, so that the reason for
   * leaving can still be sent: call `close` after it.
   * @throws {FrameError | MessageError} at the first unacceptable bytes: there is no way to resynchronise
   * @throws {ConnectionError}
   */
  async *messages(): AsyncGenerator<In> {
    try {
      for await (const payload of decodeFrames(this.#socket.iterator({ destroyOnReturn: false }))) {
        const message = this.#decode(payload)
        if (message === null) this.unknownMessages++
        else yield message
      }
    } catch (error) {
      if (error instanceof CodedError) throw error
      this.#lose(`the connection broke: ${messageOf(error)}`, error)
      throw this.#lost
    }
  }

  /** Sends what is buffered, for a moment at most, then closes. Resolves when the socket is gone. */
  async close(): Promise<void> {
    if (this.#socket.destroyed) return
    await new Promise<void>((resolve) => {
      // A peer that does not read must not keep us.
      const patience = setTimeout(() => this.#socket.destroy(), CLOSE_PATIENCE_MILLISECONDS)
      this.#socket.once('close', () => {
        clearTimeout(patience)
        resolve()
      })
      this.#socket.end(() => this.#socket.destroy())
    })
  }
}
