/**
 * The test runner behind `npm test`: lint, then the unit tests, then those that need root.
 *
 *   node dist/test/run.js [all | unit | root] [PART-OF-A-PATH]
 *
 * With CI set a skipped test counts as a failure: there, everything is expected to be testable.
 */
import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join, relative } from 'node:path'
import { run } from 'node:test'
import { spec as SpecReporter } from 'node:test/reporters'
import { fileURLToPath } from 'node:url'

/** Generous: it only ends what hangs. Under an emulator it is to be more so: TEST_FILE_MINUTES. */
const FILE_TIMEOUT_MS = Number(process.env.TEST_FILE_MINUTES ?? 10) * 60 * 1000
/** They wait for daemons and clocks more than they compute. */
const ROOT_FILES_AT_ONCE = 2
const SLOWEST_TOLD = 12
/** Of what a failed test says, in one line: the beginning of a difference, too. */
const FAILURE_LENGTH_MAX = 1000
/** They take the longest: started last they would run alone at the end. */
const FIRST = /\/(start|package)\.test\.js$/

const root = fileURLToPath(new URL('../../', import.meta.url))

interface Outcome {
  name: string
  passed: number
  /** Of each its file, its name and what it says. */
  failed: string[]
  skipped: string[]
  seconds: number
  /** Seconds by file: what the tests at its top level took, one after the other. */
  files: Map<string, number>
}

/** Compiled tests that have a source: what is left of a removed one in dist does not run. */
function testFiles(kind: 'unit' | 'root', filter: string): string[] {
  return readdirSync(join(root, 'test'), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.test.ts'))
    .filter((path) => /^(root|faults)\//.test(path) === (kind === 'root'))
    .filter((path) => path.includes(filter))
    .sort()
    .map((path) => join(root, 'dist', 'test', path.replace(/\.ts$/, '.js')))
    .sort((one, other) => Number(FIRST.test(other)) - Number(FIRST.test(one)))
}

async function runTests(name: string, files: string[], concurrency: number): Promise<Outcome> {
  const outcome: Outcome = { name, passed: 0, failed: [], skipped: [], seconds: 0, files: new Map() }
  if (files.length === 0) return outcome
  const start = performance.now()
  const stream = run({ files, concurrency, timeout: FILE_TIMEOUT_MS })
  stream.on('test:fail', (test) => {
    if (test.details.type !== 'suite') outcome.failed.push(failure(test))
  })
  stream.on('test:pass', (test) => {
    noteTime(outcome.files, test)
    // A suite that is skipped never tells of its tests.
    if (test.skip !== undefined)
      outcome.skipped.push(`${relative(root, test.file ?? '')}: ${test.name}: ${test.skip}`)
    else if (test.details.type !== 'suite') outcome.passed++
  })
  for await (const text of stream.compose(new SpecReporter())) process.stdout.write(text as string)
  outcome.seconds = (performance.now() - start) / 1000
  return outcome
}

function failure({
  file,
  name,
  details,
}: {
  file?: string
  name: string
  details: { error: Error }
}): string {
  const { message, cause } = details.error
  const lines = (cause instanceof Error ? cause.message : message)
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
  return `${relative(root, file ?? '')}: ${name}: ${lines.join(' | ').slice(0, FAILURE_LENGTH_MAX)}`
}

function noteTime(
  files: Outcome['files'],
  { file, nesting, details }: { file?: string; nesting: number; details: { duration_ms: number } },
): void {
  if (nesting > 0 || file === undefined) return
  const path = relative(join(root, 'dist'), file)
  files.set(path, (files.get(path) ?? 0) + details.duration_ms / 1000)
}

function lint(): Outcome {
  const start = performance.now()
  const biome = join(root, 'node_modules', '.bin', 'biome')
  const { status } = spawnSync(biome, ['check', '.'], { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] })
  const ok = status === 0
  const seconds = (performance.now() - start) / 1000
  const failed = ok ? [] : ['lint: see above']
  return { name: 'lint', passed: ok ? 1 : 0, failed, skipped: [], seconds, files: new Map() }
}

function summarize(outcomes: Outcome[]): boolean {
  const skipped = outcomes.flatMap((outcome) => outcome.skipped)
  const failed = outcomes.flatMap((outcome) => outcome.failed)
  if (failed.length > 0) console.log(`\nFailed:\n${failed.map((line) => `  ${line}`).join('\n')}`)
  if (skipped.length > 0) console.log(`\nSkipped:\n${skipped.map((line) => `  ${line}`).join('\n')}`)
  const slowest = outcomes.flatMap(({ files }) => [...files]).sort(([, one], [, other]) => other - one)
  if (slowest.length > SLOWEST_TOLD) {
    console.log('\nThe slowest files:')
    for (const [file, seconds] of slowest.slice(0, SLOWEST_TOLD))
      console.log(`${seconds.toFixed(1).padStart(7)} s  ${file}`)
  }
  console.log('')
  for (const outcome of outcomes)
    console.log(
      `${outcome.name.padEnd(6)} ${outcome.passed} passed, ${outcome.failed.length} failed, ${outcome.skipped.length} skipped in ${outcome.seconds.toFixed(1)} s`,
    )
  const passed = outcomes.reduce((sum, outcome) => sum + outcome.passed, 0)
  console.log(`${passed} passed, ${failed.length} failed, ${skipped.length} skipped`)
  if (process.env.CI && skipped.length > 0) console.log('CI is set: skipped tests count as failures')
  return failed.length === 0 && passed > 0 && !(process.env.CI && skipped.length > 0)
}

const [kind = 'all', filter = ''] = process.argv.slice(2)
const outcomes: Outcome[] = []
if (kind === 'all') outcomes.push(lint())
if (kind !== 'root') outcomes.push(await runTests('unit', testFiles('unit', filter), availableParallelism()))
if (kind !== 'unit') outcomes.push(await runTests('root', testFiles('root', filter), ROOT_FILES_AT_ONCE))
process.exitCode = summarize(outcomes) ? 0 : 1
