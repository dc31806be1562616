/**
 * The notifier for an optimizer: over a socket that it was handed. Everything is imported here, statically: once the
 * container exists, a path may lead into an untrusted image (docs/namespaces.md).
 */
import { fstatSync, statSync } from 'node:fs'
import { connect, Socket } from 'node:net'
import { release } from 'node:os'
import { dirname, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { FanotifyGroup } from '../native/fanotify.ts'
import { Connection } from '../shared/connection.ts'
import { CodedError, messageOf, PreconditionError, UsageError } from '../shared/errors.ts'
import {
  type Capabilities,
  decodeFromOptimizer,
  encodeMessage,
  type FromNotifier,
  type FromOptimizer,
} from '../shared/messages.ts'
import { program } from './program.ts'
import { hello, Session, sendError } from './session.ts'

const USAGE = 'write --fd <number> or --socket <path> of a socket to the optimizer, and nothing else'

/** Of anything else the stand-alone notifier knows what to do. */
export function isProtocolMode(args: readonly string[]): boolean {
  return args[0] !== undefined && /^--(?:fd|socket)(?:=|$)/.test(args[0])
}

function parseArguments(args: string[]): { descriptor: number } | { path: string } {
  let values: { fd?: string | undefined; socket?: string | undefined }
  try {
    values = parseArgs({ args, options: { fd: { type: 'string' }, socket: { type: 'string' } } }).values
  } catch (cause) {
    throw new UsageError('USAGE', `${messageOf(cause)}; ${USAGE}`, { cause })
  }
  if (values.socket !== undefined && values.fd === undefined) return { path: resolve(values.socket) }
  const descriptor = Number(values.fd)
  if (values.socket !== undefined) throw new UsageError('USAGE', USAGE)
  if (!(descriptor > 2) || !isSocket(descriptor))
    throw new UsageError('USAGE', `--fd ${values.fd}: descriptor ${values.fd} is no socket; ${USAGE}`)
  return { descriptor }
}

function isSocket(descriptor: number): boolean {
  try {
    return fstatSync(descriptor).isSocket()
  } catch {
    return false
  }
}

/** Who can put a socket there gets to know every path and chooses what is watched. */
function requirePrivateSocket(path: string): void {
  const { uid, mode } = statSync(dirname(path))
  if (uid !== process.geteuid?.() || (mode & 0o022) !== 0) {
    throw new PreconditionError(
      'SOCKET_NOT_PRIVATE',
      `the folder of the socket ${path} belongs to another user or others may write to it; use one of mode 0700`,
    )
  }
}

async function open(where: { descriptor: number } | { path: string }): Promise<Socket> {
  if ('descriptor' in where) return new Socket({ fd: where.descriptor, readable: true, writable: true })
  try {
    requirePrivateSocket(where.path)
    const socket = connect(where.path)
    await new Promise<void>((opened, failed) => {
      socket.once('connect', opened)
      socket.once('error', failed)
    })
    return socket
  } catch (cause) {
    if (cause instanceof CodedError) throw cause
    const message = `nobody can be reached at the socket ${where.path}: ${messageOf(cause)}`
    throw new PreconditionError('SOCKET_UNREACHABLE', message, { cause })
  }
}

function capabilities(): Capabilities {
  // What the launcher found: "own", or "shared" and the errno for which the kernel refused.
  const [root, errno] = (process.env.HOTLAYER_ROOT ?? 'shared').split(' ')
  return {
    kernel: release(),
    reads: true,
    ownRoot: root === 'own',
    ...(errno === undefined ? {} : { ownRootErrno: Number(errno) }),
  }
}

/** Serves the optimizer until it is done or gone. */
export async function runProtocolMode(args: string[]): Promise<void> {
  // Ctrl-C goes to the whole foreground group; the optimizer decides when this process ends.
  process.on('SIGINT', () => undefined)
  const where = parseArguments(args)
  const options = { program: program(), capabilities: capabilities() }
  // Whatever the codec makes on first use, it makes now.
  decodeFromOptimizer(encodeMessage({ type: 'flush' }))
  const connection = new Connection<FromOptimizer, FromNotifier>(await open(where), decodeFromOptimizer)
  let group: FanotifyGroup
  try {
    group = new FanotifyGroup()
  } catch (error) {
    await connection.send(hello(options)).catch(() => undefined)
    await sendError(connection, error)
    await connection.close()
    throw error
  }
  await new Session(connection, {
    program: options.program,
    capabilities: { ...options.capabilities, descriptorErrors: group.reportsDescriptorErrors },
    group,
  }).run()
}
