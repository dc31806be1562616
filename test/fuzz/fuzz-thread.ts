/**
 * Feeds one target until the time is over or something is found. A thread, so that whoever started it can see from
 * outside that it hangs, and on which input.
 */
import { parentPort, workerData } from 'node:worker_threads'
import { messageOf } from '../../shared/errors.ts'
import { type MutationContext, mutated } from './mutate.ts'
import { Random } from './random.ts'
import { kindOf } from './target.ts'
import { TARGETS } from './targets.ts'

export interface FuzzOrder {
  target: string
  seed: number
  seconds: number
  /** A single input instead. */
  input: Uint8Array | null
  /** Inputs of earlier findings. */
  fixtures: Uint8Array[]
  /** Int32: number of the run, length of its input. */
  progress: SharedArrayBuffer
  /** The input of the run that is under way. */
  current: SharedArrayBuffer
}

/** What the thread says at its end. */
export interface FuzzOutcome {
  runs: number
  refused: number
  /** Inputs whose answer was a new one. */
  kept: number
  /** What was found; the input is in `current`. */
  finding: string | null
}

const KEPT_MAX = 2000
/** A process that does nothing but this; what is above it is memory that some input takes. */
const RSS_BYTES_MAX = 512 * 1024 ** 2
const RSS_CHECK_RUNS = 32

const order = workerData as FuzzOrder
const target = TARGETS[order.target]
if (target === undefined) throw new Error(`there is no target ${order.target}`)
const progress = new Int32Array(order.progress)
const current = new Uint8Array(order.current)

const outcome: FuzzOutcome = { runs: 0, refused: 0, kept: 0, finding: null }
const answers = new Set<string>()

/** @returns true when the answer was a new one */
async function feed(input: Buffer): Promise<boolean> {
  current.set(input)
  Atomics.store(progress, 1, input.length)
  Atomics.add(progress, 0, 1)
  outcome.runs++
  let answer: string
  try {
    answer = (await target?.run(Buffer.from(input))) as string
  } catch (error) {
    answer = kindOf(error)
    if (target?.isRefusal(error)) outcome.refused++
    else outcome.finding = error instanceof Error ? (error.stack ?? error.message) : messageOf(error)
  }
  const rss = outcome.runs % RSS_CHECK_RUNS === 0 ? process.memoryUsage.rss() : 0
  if (rss > RSS_BYTES_MAX) outcome.finding ??= `the process takes ${rss} bytes`
  if (answers.has(answer)) return false
  answers.add(answer)
  return true
}

async function fuzz(): Promise<void> {
  const fixtures = order.fixtures.map((bytes) => Buffer.from(bytes))
  const context = {
    corpus: [...(await (target as NonNullable<typeof target>).corpus()), ...fixtures],
    dictionary: (target?.dictionary ?? []).map((word) => Buffer.from(word, 'latin1')),
    inputBytesMax: target?.inputBytesMax ?? 0,
  } satisfies MutationContext
  for (const input of [...context.corpus, Buffer.alloc(0)]) {
    await feed(input)
    if (outcome.finding !== null) return
  }
  const random = new Random(order.seed)
  const end = performance.now() + order.seconds * 1000
  while (performance.now() < end) {
    const input = target?.change?.(random, context) ?? mutated(random, context)
    const isNew = await feed(input)
    if (outcome.finding !== null) return
    if (isNew && outcome.kept < KEPT_MAX) {
      context.corpus.push(Buffer.from(input))
      outcome.kept++
    }
  }
}

if (order.input === null) await fuzz()
else await feed(Buffer.from(order.input))
parentPort?.postMessage(outcome)
