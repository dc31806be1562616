/** Somebody who watches a root, reached through a client in a process of its own. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Readable, Writable } from 'node:stream'
import { CodedError } from '../../shared/errors.ts'
import { cpuSeconds, peakRssBytes } from './process-figures.ts'

/** From the start of the watching program. */
export interface Start {
  /** Until it watches. */
  startNs: number
  /** Until it has said `hello`; the others have no such word. */
  helloNs?: number
}

export interface Watched {
  /** When everything had come, on CLOCK_MONOTONIC. */
  doneNs: number
  /** Of the watching program, from when it was ready. */
  readerCpuSeconds: number
  /** Of the client, from then too. */
  clientCpuSeconds: number
  /** Of the watching program. */
  peakRssBytes: number
  /** In order of arrival; as the kernel names them. */
  paths: string[]
}

export class Watcher {
  readonly start: Start
  /** Of the watching program. */
  readonly pid: number
  readonly #client: ChildProcess
  readonly #words: Words
  readonly #cpuBefore: { reader: number; client: number }

  private constructor(client: ChildProcess, words: Words, ready: Start & { pid: number }) {
    this.#client = client
    this.#words = words
    this.start = ready
    this.pid = ready.pid
    this.#cpuBefore = { reader: cpuSeconds(this.pid), client: cpuSeconds(client.pid as number) }
  }

  /** @param command the client's @throws {CodedError} CLIENT_FAILED */
  static async start(command: string[]): Promise<Watcher> {
    const [program = '', ...args] = command
    const client = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'] })
    const words = new Words(client)
    try {
      return new Watcher(client, words, await words.next<Start & { pid: number }>('ready'))
    } catch (error) {
      client.kill('SIGKILL')
      throw error
    }
  }

  /** When the workload has ended: takes what is still to come, and ends the watch. @throws {CodedError} CLIENT_FAILED */
  async end(): Promise<Watched> {
    this.#say('end')
    const { doneNs } = await this.#words.next<{ doneNs: number }>('done')
    const figures = {
      doneNs,
      readerCpuSeconds: cpuSeconds(this.pid) - this.#cpuBefore.reader,
      clientCpuSeconds: cpuSeconds(this.#client.pid as number) - this.#cpuBefore.client,
      peakRssBytes: peakRssBytes(this.pid),
    }
    this.#say('quit')
    const paths = (await this.#words.rest()).toString().split('\0').slice(0, -1)
    return { ...figures, paths }
  }

  /** Both programs end with the client's input. May be called again. */
  async kill(): Promise<void> {
    if (this.#client.exitCode !== null || this.#client.signalCode !== null) return
    const ended = once(this.#client, 'exit')
    this.#client.kill('SIGKILL')
    await ended
  }

  #say(word: string): void {
    ;(this.#client.stdin as Writable).write(`${word}\n`)
  }
}

/** Lines of a client's stdout, and then what follows them. */
class Words {
  readonly #client: ChildProcess
  readonly #output: AsyncIterator<Buffer>
  #pending: Buffer = Buffer.alloc(0)
  #errors = ''

  constructor(client: ChildProcess) {
    this.#client = client
    this.#output = (client.stdout as Readable)[Symbol.asyncIterator]()
    client.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#errors += text
    })
    client.on('error', (error) => {
      this.#errors += error.message
    })
    // A client that is gone is told by the end of its output.
    client.stdin?.on('error', () => {})
  }

  /** @returns what the line says after `word` */
  async next<T>(word: string): Promise<T> {
    let end = this.#pending.indexOf('\n')
    while (end < 0) {
      const { value, done } = await this.#output.next()
      if (done === true)
        throw new CodedError('CLIENT_FAILED', `${this.#client.spawnargs.join(' ')}: ${this.#errors}`)
      this.#pending = Buffer.concat([this.#pending, value])
      end = this.#pending.indexOf('\n')
    }
    const line = this.#pending.toString('utf8', 0, end)
    this.#pending = this.#pending.subarray(end + 1)
    if (!line.startsWith(`${word} `))
      throw new CodedError(
        'CLIENT_FAILED',
        `${this.#client.spawnargs.join(' ')} said ${line} instead of ${word}`,
      )
    return JSON.parse(line.slice(word.length)) as T
  }

  async rest(): Promise<Buffer> {
    const pieces = [this.#pending]
    for (;;) {
      const { value, done } = await this.#output.next()
      if (done === true) return Buffer.concat(pieces)
      pieces.push(value)
    }
  }
}
