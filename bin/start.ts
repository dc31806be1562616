/**
 * `npm start`: the whole way once, on a real image, in a containerd of our own that is gone at the end.
 * The image is optimized by the real command line, then the result is run by containerd and asked for a page.
 * Then the same without containerd, which is all where there is none: image and result are OCI layouts, and runc runs
 * them; start-without-containerd.ts.
 * stdout is the report, stderr the progress; the exit status is 0 only if all of it was true.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { startPrivateContainerd } from '../bench/sample/private-containerd.ts'
import { importImage, runAndAsk } from '../bench/sample/run-image.ts'
import { buildSampleImage } from '../bench/sample/sample-image.ts'
import type { ConversionResult } from '../optimizer/result.ts'
import { CodedError, EXIT, InterruptedError } from '../shared/errors.ts'
import { formatReport } from './start-report.ts'
import {
  type Demonstration,
  demonstrateWithoutContainerd,
  showWithoutContainerd,
  WARM,
} from './start-without-containerd.ts'

const OPTIMIZER = fileURLToPath(new URL('../../bin/optimizer', import.meta.url))
const CONTAINERD = ['containerd', 'containerd-shim-runc-v2', 'ctr']

async function main(): Promise<number> {
  const interruption = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    process.on(signal, () => interruption.abort(new InterruptedError(`interrupted by ${signal}`)))
  try {
    process.stdout.write(await demonstrate(interruption.signal))
    return EXIT.done
  } catch (thrown) {
    const error: unknown = interruption.signal.aborted ? interruption.signal.reason : thrown
    if (!(error instanceof CodedError)) throw error
    say(error.message)
    return error.exitCode
  }
}

async function demonstrate(signal: AbortSignal): Promise<string> {
  const demonstration = { optimizer: (args: string[]) => optimizer(args, signal), say, signal }
  if (hasContainerd()) return await demonstrateInContainerd(demonstration)
  say('there is no containerd on this machine: image and result are OCI layouts, and runc runs both')
  return await demonstrateWithoutContainerd(demonstration)
}

async function demonstrateInContainerd(demonstration: Demonstration): Promise<string> {
  const { signal } = demonstration
  say('starting a private containerd')
  const daemon = await startPrivateContainerd()
  try {
    signal.throwIfAborted()
    const image = await buildSampleImage({ kind: 'web', log: { debug() {}, info: say, warn: say }, signal })
    say(`importing ${image.name}`)
    await importImage(daemon, image, signal)
    const target = image.name.replace(/:[^:]*$/, ':optimized')
    const place = ['--address', daemon.address, '--namespace', daemon.namespace]
    const words = ['optimize', image.name, target, '--json', ...WARM, ...place]
    const output = await demonstration.optimizer(words)
    const result = JSON.parse(output) as ConversionResult
    say(`running ${image.name} and ${target} by containerd`)
    const page = await runAndAsk(daemon, image.name, signal)
    if ((await runAndAsk(daemon, target, signal)) !== page)
      throw new CodedError('PAGES_DIFFER', 'the optimized image answered with another page than the original')
    const proof = [
      `containerd unpacked and ran ${target} with no part of the optimizer,`,
      'and it answered with the same page as the original.',
    ]
    const otherWay = await showWithoutContainerd(image, demonstration)
    return formatReport(result, image.layerTitles, proof, otherWay)
  } finally {
    say('removing the private containerd')
    await daemon.stop()
  }
}

/** What the command prints. */
async function optimizer(args: string[], signal: AbortSignal): Promise<string> {
  say(`running: optimizer ${args.join(' ')}`)
  // Its own process group: at a Ctrl-C it is told once, by us, and undoes what it has done before we go on.
  const child = spawn(process.execPath, [OPTIMIZER, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: true,
  })
  const interrupt = () => child.kill('SIGINT')
  signal.addEventListener('abort', interrupt)
  const [output, [status, killedBy]] = await Promise.all([text(child.stdout), once(child, 'close')])
  signal.removeEventListener('abort', interrupt)
  signal.throwIfAborted()
  if (status !== 0)
    throw new CodedError('OPTIMIZER_FAILED', `the optimizer ended with ${killedBy ?? status}, see above`)
  return output
}

function hasContainerd(): boolean {
  const folders = (process.env.PATH ?? '').split(delimiter)
  return CONTAINERD.every((name) => folders.some((folder) => existsSync(join(folder, name))))
}

function say(message: string): void {
  process.stderr.write(`start: ${message}\n`)
}

process.exitCode = await main()
