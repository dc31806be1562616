/** A notifier reached over a Unix socket of ours: the protocol by hand, without launcher and NotifierProcess. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Connection } from '../../shared/connection.ts'
import {
  decodeFromNotifier,
  type FromNotifier,
  type FromOptimizer,
  type Hello,
  PROTOCOL_VERSION,
} from '../../shared/messages.ts'

const NOTIFIER = fileURLToPath(new URL('../../../bin/notifier', import.meta.url))

export const OPTIMIZER_HELLO: Hello = {
  type: 'hello',
  version: PROTOCOL_VERSION,
  program: 'test',
  pid: process.pid,
  capabilities: {},
}

export class ProtocolClient {
  readonly child: ChildProcess
  readonly socket: Socket
  readonly #connection: Connection<FromNotifier, FromOptimizer>
  readonly #messages: AsyncGenerator<FromNotifier>
  readonly #exit: Promise<unknown[]>
  stderr = ''

  private constructor(child: ChildProcess, socket: Socket) {
    this.child = child
    this.socket = socket
    this.#connection = new Connection<FromNotifier, FromOptimizer>(socket, decodeFromNotifier)
    this.#messages = this.#connection.messages()
    this.#exit = once(child, 'close')
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text
    })
  }

  /** @param prefix a program and its arguments that runs the notifier, e.g. prlimit */
  static async start(prefix: string[] = []): Promise<ProtocolClient> {
    const folder = mkdtempSync(join(tmpdir(), 'optimizer-socket-'))
    const server = createServer()
    try {
      const path = join(folder, 'socket')
      await once(server.listen(path), 'listening')
      const [program = process.execPath, ...args] = [...prefix, process.execPath, NOTIFIER, '--socket', path]
      const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'pipe'] })
      const [socket] = (await once(server, 'connection')) as [Socket]
      return new ProtocolClient(child, socket)
    } finally {
      server.close()
      rmSync(folder, { recursive: true })
    }
  }

  send(message: FromOptimizer): Promise<void> {
    return this.#connection.send(message)
  }

  async next(): Promise<FromNotifier | undefined> {
    return (await this.#messages.next()).value
  }

  /** Messages up to the first of `type`, which is the last of them. */
  async until<Type extends FromNotifier['type']>(type: Type): Promise<FromNotifier[]> {
    const messages: FromNotifier[] = []
    for (;;) {
      const message = await this.next()
      if (message === undefined) throw new Error(`closed before "${type}"; stderr: ${this.stderr}`)
      messages.push(message)
      if (message.type === type) return messages
    }
  }

  /** Exit status and signal, when it has ended. */
  async ended(): Promise<{ code: number | null; signal: string | null }> {
    const [code, signal] = await this.#exit
    return { code: code as number | null, signal: signal as string | null }
  }

  async close(): Promise<void> {
    await this.#connection.close()
    this.child.kill('SIGKILL')
    await this.#exit
  }
}
