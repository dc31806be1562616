/**
 * `npm run fuzz`: feeds the parsers with changed inputs, side by side, and prints a line per target.
 *
 *   node dist/test/fuzz/main.js [--target NAME] [--seconds 60] [--seed N] [--input FILE]
 *
 * The same seed gives the same inputs. What is found is written to .cache/fuzz and can be fed again with --input.
 */
import { spawn } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { Worker } from 'node:worker_threads'
import { EVENT_BUFFER, fuzzEventBuffer } from './event-buffer.ts'
import type { FuzzOrder, FuzzOutcome } from './fuzz-thread.ts'
import { TARGETS } from './targets.ts'

const ROOT = fileURLToPath(new URL('../../../', import.meta.url))
const FOUND = join(ROOT, '.cache', 'fuzz')
const FIXTURES = join(ROOT, 'test', 'fixtures', 'fuzz')
/** An input that takes longer hangs; the machine may be busy. */
const HANG_SECONDS = 15
const INPUT_BYTES_MAX = 2 * 1024 * 1024

const { values } = parseArgs({
  options: {
    target: { type: 'string' },
    seconds: { type: 'string', default: '60' },
    seed: { type: 'string' },
    input: { type: 'string' },
  },
})
const seconds = Number(values.seconds)
const seed = values.seed === undefined ? randomInt(2 ** 31) : Number(values.seed)
if (!(seconds > 0) || !Number.isInteger(seed)) throw new Error('--seconds and --seed are numbers')

/** Inputs of earlier findings. */
function fixturesOf(target: string): Buffer[] {
  const folder = join(FIXTURES, target)
  return readdirSync(FIXTURES).includes(target)
    ? readdirSync(folder).map((name) => readFileSync(join(folder, name)))
    : []
}

/** @returns whether nothing was found */
async function fuzz(target: string): Promise<boolean> {
  if (target === EVENT_BUFFER)
    return await fuzzEventBuffer({ seconds, seed, input: values.input, folder: FOUND })
  const order: FuzzOrder = {
    target,
    seed,
    seconds,
    input: values.input === undefined ? null : readFileSync(values.input),
    fixtures: fixturesOf(target),
    progress: new SharedArrayBuffer(8),
    current: new SharedArrayBuffer(INPUT_BYTES_MAX),
  }
  const outcome = await watched(order)
  const figures = `${outcome.runs} inputs, ${outcome.refused} refused, ${outcome.kept} kept`
  console.log(
    `${target}: seed ${seed}: ${outcome.finding === null ? `nothing found in ${figures}` : outcome.finding}`,
  )
  if (outcome.finding === null) return true
  const [runs = 0, bytes = 0] = new Int32Array(order.progress)
  mkdirSync(FOUND, { recursive: true })
  const path = join(FOUND, `${target}-${seed}-${runs}`)
  writeFileSync(path, new Uint8Array(order.current).subarray(0, bytes))
  console.log(`its input is ${path}; again: npm run fuzz -- --target ${target} --input ${path}`)
  return false
}

/** The thread, ended when it stays on one input. */
async function watched(order: FuzzOrder): Promise<FuzzOutcome> {
  const progress = new Int32Array(order.progress)
  const worker = new Worker(new URL('./fuzz-thread.js', import.meta.url), { workerData: order })
  let last = -1
  let since = performance.now()
  return await new Promise<FuzzOutcome>((resolve) => {
    const found = (finding: string) => {
      clearInterval(watch)
      resolve({ runs: Atomics.load(progress, 0), refused: 0, kept: 0, finding })
      worker.terminate()
    }
    const watch = setInterval(() => {
      const now = Atomics.load(progress, 0)
      if (now !== last) since = performance.now()
      last = now
      if (performance.now() - since > HANG_SECONDS * 1000) found(`no end within ${HANG_SECONDS} s`)
    }, 250)
    worker.once('error', (error) => found(`the thread ended: ${error.stack}`))
    worker.once('message', (outcome: FuzzOutcome) => {
      clearInterval(watch)
      resolve(outcome)
    })
  })
}

/** Each target in a process of its own: its memory is seen. */
async function fuzzAll(targets: string[]): Promise<boolean> {
  const waiting = [...targets]
  let good = true
  const lane = async () => {
    for (let target = waiting.shift(); target !== undefined; target = waiting.shift()) {
      const args = [fileURLToPath(import.meta.url), '--target', target, '--seconds', String(seconds)]
      const child = spawn(process.execPath, [...args, '--seed', String(seed)], { stdio: 'inherit' })
      const [code] = await once(child, 'exit')
      good &&= code === 0
    }
  }
  await Promise.all(Array.from({ length: availableParallelism() }, lane))
  return good
}

const known = [...Object.keys(TARGETS), EVENT_BUFFER]
if (values.target !== undefined && !known.includes(values.target))
  throw new Error(`--target is one of ${known.join(', ')}`)
const good = values.target === undefined ? await fuzzAll(known) : await fuzz(values.target)
process.exitCode = good ? 0 : 1
