/** A task's stdin: a FIFO in the run folder, written to from before the task exists until the source ends. */
import { closeSync, constants, openSync, rmSync } from 'node:fs'
import { Socket } from 'node:net'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { makeFifo } from '../../native/mounts.ts'

export class TaskInput {
  readonly path: string
  readonly #socket: Socket
  /** Also a reader: a FIFO without one cannot be opened for writing alone, and breaks what was opened before. */
  #both: number | null
  #onEnd: () => void = () => {}

  constructor(runFolder: string) {
    this.path = join(runFolder, 'stdin')
    makeFifo(this.path, 0o600)
    this.#both = openSync(this.path, constants.O_RDWR | constants.O_NONBLOCK)
    const descriptor = openSync(this.path, constants.O_WRONLY | constants.O_NONBLOCK)
    // A workload that reads no more is no failure.
    this.#socket = new Socket({ fd: descriptor, readable: false, writable: true }).on('error', () => {})
  }

  /**
   * To be called once the task has started, which has its end open then. The source is left as it is when the
   * workload reads no more.
   * @param onEnd called when everything the source had is on its way, or nobody reads any more
   */
  begin(source: Readable, onEnd: () => void): void {
    this.#closeBoth()
    this.#onEnd = onEnd
    this.#socket.once('finish', () => this.#socket.destroy())
    this.#socket.once('close', () => {
      source.unpipe(this.#socket)
      source.pause()
      this.#onEnd()
    })
    if (source.readableEnded || source.destroyed) {
      this.#socket.end()
      return
    }
    source.once('error', () => this.#socket.end())
    source.pipe(this.#socket)
  }

  /** Gives up what is not written yet and removes the FIFO. */
  close(): void {
    this.#closeBoth()
    this.#onEnd = () => {}
    this.#socket.destroy()
    rmSync(this.path, { force: true })
  }

  #closeBoth(): void {
    if (this.#both !== null) closeSync(this.#both)
    this.#both = null
  }
}
