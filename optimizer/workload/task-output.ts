/** A task's stdout and stderr: FIFOs in the run folder, read from before the task exists until it is deleted. */
import { closeSync, constants, openSync, readdirSync, rmSync } from 'node:fs'
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

/** Names of the FIFOs in a run folder, or their ends. */
const STREAMS = ['stdout', 'stderr'] as const satisfies readonly OutputStream[]
/** A longer line comes in pieces. */
const LINE_CHARACTERS_MAX = 8192
const LINES_KEPT = 10
const END_TIMEOUT_MS = 1000

/** Where containerd's shim writes the output of a process. */
export interface OutputPaths {
  stdout: string
  /** Empty where stdout has it all. */
  stderr: string
}

export function outputPaths(runFolder: string, prefix = ''): { stdout: string; stderr: string } {
  return { stdout: join(runFolder, `${prefix}stdout`), stderr: join(runFolder, `${prefix}stderr`) }
}

export interface TaskOutputOptions {
  /** Begins the names of the FIFOs. */
  prefix?: string
  /** A process that has a terminal: its output is one stream, whose bytes are passed on as they are, too. */
  onTerminal?: (bytes: Buffer) => void
}

export class TaskOutput {
  readonly paths: OutputPaths
  readonly #sockets: Socket[] = []
  readonly #lastLines: string[] = []
  readonly #listeners = new Set<TextListener>()
  readonly #ended: Promise<unknown>

  /** Makes the FIFOs and reads them from now on: a FIFO that nobody has open stops the task's creation. */
  constructor(runFolder: string, sink: LineSink, options: TaskOutputOptions = {}) {
    const { prefix = '', onTerminal } = options
    const paths = outputPaths(runFolder, prefix)
    const streams = onTerminal === undefined ? STREAMS : (['stdout'] as const)
    this.paths = onTerminal === undefined ? paths : { ...paths, stderr: '' }
    const ends = streams.map((stream) => {
      const path = paths[stream]
      makeFifo(path, 0o600)
      const socket = openReader(path)
      this.#sockets.push(socket)
      if (onTerminal !== undefined) socket.on('data', onTerminal)
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
    for (const path of Object.values(this.paths)) if (path !== '') rmSync(path, { force: true })
  }
}

/**
 * Reads away what the processes of a dead run have written: their deletion would wait for it.
 * @returns stops doing so
 */
export function discardOutput(runFolder: string): () => void {
  const sockets = outputsIn(runFolder).map((path) => openReader(path).resume())
  return () => {
    for (const socket of sockets) socket.destroy()
  }
}

function outputsIn(runFolder: string): string[] {
  try {
    const names = readdirSync(runFolder).filter((name) => STREAMS.some((stream) => name.endsWith(stream)))
    return names.map((name) => join(runFolder, name))
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT') return []
    throw error
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
