/**
 * `npm start`: the whole way once, on a real image, in a containerd of our own that is gone at the end.
 * The image is optimized by the real command line, then the result is run by containerd and asked for a page.
 * stdout is the report, stderr the progress; the exit status is 0 only if all of it was true.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { type PrivateContainerd, startPrivateContainerd } from '../bench/sample/private-containerd.ts'
import {
  askUntilAnswered,
  findFreePort,
  importImage,
  listenAt,
  runAndAsk,
} from '../bench/sample/run-image.ts'
import { buildSampleImage, type SampleImage } from '../bench/sample/sample-image.ts'
import type { ConversionResult } from '../optimizer/result.ts'
import { CodedError, EXIT, InterruptedError } from '../shared/errors.ts'
import { formatReport } from './start-report.ts'

const OPTIMIZER = fileURLToPath(new URL('../../bin/optimizer', import.meta.url))
/** Long enough for a slow machine to start the app and answer once. */
const PERIOD = '8s'

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
  say('starting a private containerd')
  const daemon = await startPrivateContainerd()
  try {
    signal.throwIfAborted()
    const image = await buildSampleImage({ kind: 'web', log: { debug() {}, info: say, warn: say }, signal })
    say(`importing ${image.name}`)
    await importImage(daemon, image, signal)
    const target = image.name.replace(/:[^:]*$/, ':optimized')
    const { result, page } = await optimizeAndAsk(daemon, image, target, signal)
    say(`running ${target} by containerd`)
    if ((await runAndAsk(daemon, target, signal)) !== page)
      throw new CodedError('PAGES_DIFFER', 'the optimized image answered with another page than the original')
    return formatReport(result, image.layerTitles)
  } finally {
    say('removing the private containerd')
    await daemon.stop()
  }
}

/** Optimizes, and asks the app for its front page while it is recorded, as a user would warm it up. */
async function optimizeAndAsk(
  daemon: PrivateContainerd,
  image: SampleImage,
  target: string,
  signal: AbortSignal,
): Promise<{ result: ConversionResult; page: string }> {
  const port = await findFreePort()
  const optimizing = new AbortController()
  const asking = askUntilAnswered(port, AbortSignal.any([signal, optimizing.signal]))
  // The optimizer's own failure is the one to tell.
  asking.catch(() => {})
  const result = await optimize(
    [
      ...['optimize', image.name, target, '--json', '--period', PERIOD, '--net-host'],
      ...listenAt(port).map((variable) => `--env=${variable}`),
      ...['--address', daemon.address, '--namespace', daemon.namespace],
    ],
    signal,
  )
  optimizing.abort(
    new CodedError('NO_ANSWER', `the sample app did not answer within the period of ${PERIOD}`),
  )
  return { result, page: await asking }
}

async function optimize(args: string[], signal: AbortSignal): Promise<ConversionResult> {
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
  return JSON.parse(output) as ConversionResult
}

function say(message: string): void {
  process.stderr.write(`start: ${message}\n`)
}

process.exitCode = await main()
