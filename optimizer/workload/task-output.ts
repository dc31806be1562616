/** A task's stdout and stderr: FIFOs in the run folder, read from before the task exists until it is deleted. */
import { closeSync, constants, openSync, rmSync } from 'node:fs'
import { Socket } from 'node:net'
import { join } from 'node:path'
import { StringDecoder } from 'node:string_decoder'
import { setTimeout as delay } from 'node:timers/promises'
import { makeFifo } from '../../native/mounts.ts'
import { systemCodeOf } from '../../shared/errors.ts'

export type OutputStream = 'stdout' | 'stderr'
/** Called with each line, without its newline. */
export type LineSink = (stream: OutputStream, line: string) => void
/** Called with every piece of text of a stream as it comes, and with null at its end. */
export type TextListener = (stream: OutputStream, text: string | null) => void

/** Names of the FIFOs in a run folder. */
const STREAMS = ['stdout', 'stderr'] as const satisfies readonly OutputStream[]
/** A longer line comes in pieces. */
const LINE_CHARACTERS_MAX = 8192
const LINES_KEPT = 10
const END_TIMEOUT_MS = 1000

/** Where containerd's shim writes a task's output. */
export function outputPaths(runFolder: string): { stdout: string; stderr: string } {
  return { stdout: join(runFolder, 'stdout'), stderr: join(runFolder, 'stderr') }
}

export class TaskOutput {
  readonly paths: { stdout: string; stderr: string }
  readonly #sockets: Socket[] = []
  readonly #lastLines: string[] = []
  readonly #listeners = new Set<TextListener>()
  readonly #ended: Promise<unknown>

  /** Makes the FIFOs and reads them from now on: a FIFO that nobody has open stops the task's creation. */
  constructor(runFolder: string, sink: LineSink) {
    this.paths = outputPaths(runFolder)
    const ends = STREAMS.map((stream) => {
      const path = this.paths[stream]
      makeFifo(path, 0o600)
      const socket = openReader(path)
      this.#sockets.push(socket)
      const lines = new LineCutter((line) => {
        this.#lastLines.push(line)
        if (this.#lastLines.length > LINES_KEPT) this.#lastLines.shift()
        sink(stream, line)
      })
      return readText(socket, (text) => {
        lines.take(text)
        for (const listener of this.#listeners) listener(stream, text)
      })
    })
    this.#ended = Promise.all(ends)
  }

  /** The last lines of both streams, as they came. */
  get lastLines(): readonly string[] {
    return this.#lastLines
  }

  /** @returns stops calling the listener */
  subscribe(listener: TextListener): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Resolves when all output has been read; not longer than a moment, for a writer may hold on to it. */
  async drained(): Promise<void> {
    const timer = new AbortController()
    const late = delay(END_TIMEOUT_MS, undefined, { signal: timer.signal }).catch(() => {})
    await Promise.race([this.#ended, late])
    timer.abort()
  }

  /** Stops reading and removes the FIFOs; the task must be gone. */
  close(): void {
    for (const socket of this.#sockets) socket.destroy()
    for (const path of Object.values(this.paths)) rmSync(path, { force: true })
  }
}

/**
 * Reads away what a dead run's task has written: its deletion would wait for it.
 * @returns stops doing so
 */
export function discardOutput(runFolder: string): () => void {
  const sockets = Object.values(outputPaths(runFolder)).flatMap((path) => {
    try {
      return [openReader(path).resume()]
    } catch (error) {
      if (systemCodeOf(error) === 'ENOENT') return []
      throw error
    }
  })
  return () => {
    for (const socket of sockets) socket.destroy()
  }
}

/** Never blocks: a blocking open of a FIFO waits for a writer, in a thread that everything else needs. */
function openReader(path: string): Socket {
  const descriptor = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  try {
    return new Socket({ fd: descriptor, readable: true, writable: false }).on('error', () => {})
  } catch (error) {
    closeSync(descriptor)
    throw error
  }
}

/** @param onText gets null at the end. @returns when the stream has ended */
function readText(socket: Socket, onText: (text: string | null) => void): Promise<void> {
  const decoder = new StringDecoder('utf8')
  return new Promise((resolve) => {
    socket.on('data', (bytes: Buffer) => onText(decoder.write(bytes)))
    socket.once('close', () => {
      onText(decoder.end())
      onText(null)
      resolve()
    })
  })
}

/** Text to lines; null is its end. */
class LineCutter {
  readonly #onLine: (line: string) => void
  #pending = ''

  constructor(onLine: (line: string) => void) {
    this.#onLine = onLine
  }

  take(text: string | null): void {
    if (text === null) {
      if (this.#pending !== '') this.#onLine(this.#pending)
      this.#pending = ''
      return
    }
    this.#pending += text
    for (;;) {
      const newline = this.#pending.indexOf('\n')
      const end = newline === -1 || newline > LINE_CHARACTERS_MAX ? LINE_CHARACTERS_MAX : newline
      if (this.#pending.length <= end) return
      this.#onLine(this.#pending.slice(0, end).replace(/\r$/, ''))
      this.#pending = this.#pending.slice(newline === end ? end + 1 : end)
    }
  }
}
