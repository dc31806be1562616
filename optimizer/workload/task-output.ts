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
  readonly #ended: Promise<unknown>

  /** Makes the FIFOs and reads them from now on: a FIFO that nobody has open stops the task's creation. */
  constructor(runFolder: string, sink: LineSink) {
    this.paths = outputPaths(runFolder)
    const ends = STREAMS.map((stream) => {
      const path = this.paths[stream]
      makeFifo(path, 0o600)
      const socket = openReader(path)
      this.#sockets.push(socket)
      return readLines(socket, (line) => {
        this.#lastLines.push(line)
        if (this.#lastLines.length > LINES_KEPT) this.#lastLines.shift()
        sink(stream, line)
      })
    })
    this.#ended = Promise.all(ends)
  }

  /** The last lines of both streams, as they came. */
  get lastLines(): readonly string[] {
    return this.#lastLines
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

/** @returns when the stream has ended */
function readLines(socket: Socket, onLine: (line: string) => void): Promise<void> {
  const decoder = new StringDecoder('utf8')
  let pending = ''
  const take = (text: string) => {
    pending += text
    for (;;) {
      const newline = pending.indexOf('\n')
      const end = newline === -1 || newline > LINE_CHARACTERS_MAX ? LINE_CHARACTERS_MAX : newline
      if (pending.length <= end) return
      onLine(pending.slice(0, end).replace(/\r$/, ''))
      pending = pending.slice(newline === end ? end + 1 : end)
    }
  }
  return new Promise((resolve) => {
    socket.on('data', (bytes: Buffer) => take(decoder.write(bytes)))
    socket.once('close', () => {
      take(decoder.end())
      if (pending !== '') onLine(pending)
      pending = ''
      resolve()
    })
  })
}
