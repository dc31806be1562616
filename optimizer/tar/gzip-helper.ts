/** Gunzip by a program of the machine: some have a faster one than what is built in. */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import type { Writable } from 'node:stream'
import { gzipSync } from 'node:zlib'
import { messageOf, PreconditionError, systemCodeOf } from '../../shared/errors.ts'
import type { Digest } from '../image/digest.ts'

/** Programs that `-d -c` makes decompress from stdin to stdout, and Debian's packages of them. */
const GZIP_HELPERS = { igzip: 'isal', pigz: 'pigz', gzip: 'gzip' } as const

export type GzipHelper = keyof typeof GZIP_HELPERS
export const GZIP_HELPER_NAMES = Object.keys(GZIP_HELPERS) as GzipHelper[]

/** A helper is not there, does not work or gave up. Codes: GZIP_HELPER_MISSING, GZIP_HELPER_FAILED. */
export class GzipHelperError extends PreconditionError {
  /** The same, of a layer whose blob is as its digest says. */
  onWholeLayer(layer: Digest): GzipHelperError {
    const whose = `while it decompressed layer ${layer}, whose blob is whole`
    return new GzipHelperError(this.code, `${this.message} ${whose}: leave --estargz-gzip-helper out`, {
      cause: this,
    })
  }
}

const ARGUMENTS = ['-d', '-c']
/** gzip(1): 1 is an error, 2 a warning: something follows the last member and is none. */
const STATUS_DONE = [0, 2]
const WORDS_MAX = 200

/** Lets it decompress two members, as some layers have thousands. @throws {GzipHelperError} */
export function requireGzipHelper(helper: GzipHelper): void {
  const input = Buffer.concat([gzipSync('one, '), gzipSync('two')])
  const { error, stdout, stderr } = spawnSync(helper, ARGUMENTS, { input, encoding: 'utf8' })
  if (['ENOENT', 'EACCES'].includes(systemCodeOf(error) ?? '')) {
    throw new GzipHelperError(
      'GZIP_HELPER_MISSING',
      `${helper} is not on PATH: install it (Debian: ${GZIP_HELPERS[helper]}), or leave --estargz-gzip-helper out`,
      { cause: error },
    )
  }
  if (stdout === 'one, two') return
  throw new GzipHelperError(
    'GZIP_HELPER_FAILED',
    `${helper} on PATH does not decompress gzip${quoted(stderr || (error?.message ?? ''))}: leave --estargz-gzip-helper out`,
  )
}

/**
 * The program is gone when this ends, however it ends; of a killed run it finds its input closed, and ends too.
 * @throws {GzipHelperError}; errors of the source as they are
 */
export async function* gunzipBy(helper: GzipHelper, source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  // A session of its own: Ctrl-C is for us, who end it in our order.
  const child = spawn(helper, ARGUMENTS, { stdio: ['pipe', 'pipe', 'pipe'], detached: true })
  try {
    await once(child, 'spawn')
  } catch (cause) {
    throw new GzipHelperError('GZIP_HELPER_FAILED', `cannot run ${helper}: ${messageOf(cause)}`, { cause })
  }
  const ended = once(child, 'close') as Promise<[status: number | null, signal: string | null]>
  let words = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    words = (words + text).slice(0, WORDS_MAX)
  })
  const feeding = feed(source, child.stdin)
  try {
    yield* child.stdout as AsyncIterable<Buffer>
    const [status, signal] = await ended
    const failure = await feeding
    if (failure !== undefined) throw failure.error
    if (status === null || !STATUS_DONE.includes(status)) {
      const how = signal === null ? `ended with status ${status}` : `was ended by ${signal}`
      throw new GzipHelperError('GZIP_HELPER_FAILED', `${helper} ${how}${quoted(words)}`)
    }
    // It may leave what follows the last member unread; the blob's digest is over that too.
    for await (const _ of source);
  } finally {
    child.stdout.destroy()
    child.stdin.destroy()
    child.kill('SIGKILL')
    await ended
    await feeding
  }
}

/** All of the source, or as much of it as is wanted. @returns what the source has thrown */
async function feed(source: AsyncIterable<Buffer>, input: Writable): Promise<{ error: unknown } | undefined> {
  // That nobody takes more is no failure of ours: the program's status tells.
  input.on('error', () => undefined)
  const iterator = source[Symbol.asyncIterator]()
  try {
    for (;;) {
      const { done, value } = await iterator.next()
      if (done || input.destroyed) break
      if (!input.write(value)) await drained(input)
    }
    input.end()
    return undefined
  } catch (error) {
    input.destroy()
    return { error }
  }
}

/** Until the stream takes more, or never will. */
function drained(stream: Writable): Promise<void> {
  return new Promise((resolve) => {
    const go = () => {
      stream.off('drain', go).off('close', go)
      resolve()
    }
    stream.on('drain', go).on('close', go)
    if (stream.destroyed) go()
  })
}

function quoted(words: string): string {
  const line = words.trim().split('\n', 1)[0] ?? ''
  return line === '' ? '' : ` ("${line}")`
}
