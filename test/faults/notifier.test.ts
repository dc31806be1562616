/** The notifier fails at every step of the protocol: an error that says so, in time, and nothing left. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { NotFoundError } from '../../shared/errors.ts'
import { skipWithoutContainerd } from '../helpers/containerd.ts'
import { type Finished, finished, OptimizerBench } from '../helpers/optimizer-bench.ts'
import { skipWithoutFanotify } from '../helpers/privilege.ts'
import { BRIEF, notifierProgram, processesAtLast, putFreshImages } from './fault-bench.ts'

const FAULTY = fileURLToPath(new URL('./faulty-notifier.js', import.meta.url))
/** A deadline is 10 s; the rest is a run on a very busy machine. */
const RUN_SECONDS_MAX = 120

interface Case {
  fault: string
  code: number
  says: RegExp
}

const died = (before: string): Case => ({
  fault: `kill ${before}`,
  code: 1,
  says: /the notifier ended by SIGKILL .*\[NOTIFIER_DIED\]$/m,
})
const silent = (fault: string, unanswered: string): Case => ({
  fault,
  code: 1,
  says: new RegExp(`did not answer with "${unanswered}" within 10 s \\[NOTIFIER_SILENT\\]$`, 'm'),
})

describe('a notifier', { skip: skipWithoutContainerd() || skipWithoutFanotify() }, () => {
  let bench: OptimizerBench
  let folder: string
  let program: string
  before(async () => {
    bench = await OptimizerBench.open()
    folder = mkdtempSync(join(tmpdir(), 'optimizer-faults-'))
    program = notifierProgram(folder, [process.execPath, FAULTY])
    await putFreshImages(bench, ['image'])
    await bench.optimize('image', 'unpacked', BRIEF)
  })
  after(async () => {
    await bench?.close()
    rmSync(folder, { recursive: true, force: true })
  })

  /** Side by side, but begun one after the other: a dozen programs that start at once keep a sound notifier from answering. */
  let begun = Promise.resolve()
  async function runWith(fault: string): Promise<Finished> {
    const before = begun
    let begin = () => {}
    begun = new Promise((resolve) => {
      begin = resolve
    })
    await before
    const begunAt = performance.now()
    const words = ['optimize', 'image', fault.replace(' ', '-'), '--notifier', program, ...BRIEF]
    const child = bench.spawn(words, { NOTIFIER_FAULT: fault })
    child.stderr?.once('data', begin)
    child.once('close', begin)
    const result = await finished(child)
    const seconds = (performance.now() - begunAt) / 1000
    assert.ok(seconds < RUN_SECONDS_MAX, `${fault} took ${seconds} s`)
    return result
  }

  async function fails({ fault, code, says }: Case): Promise<void> {
    const { code: found, stdout, stderr } = await runWith(fault)
    assert.deepEqual([found, stdout], [code, ''], `${fault}: ${stderr}`)
    assert.match(stderr, says, fault)
    await assert.rejects(bench.stores.images.get(fault.replace(' ', '-')), NotFoundError)
  }

  async function leavesNothing(cases: Case[]): Promise<void> {
    await Promise.all(cases.map(fails))
    assert.deepEqual(await bench.leftovers(), [])
    // The real one behind it is told by nobody.
    assert.deepEqual(await processesAtLast(bench), [])
  }

  it('that is killed, at any step, ends the run with its end', async () => {
    await leavesNothing(['hello', 'marked', 'started', 'accesses', 'flushed', 'stopped'].map(died))
  })

  it('that stops answering or reading, at any step, ends the run after the deadline', async () => {
    await leavesNothing([
      silent('silent hello', 'hello'),
      silent('silent marked', 'marked'),
      silent('silent started', 'started'),
      silent('silent flushed', 'flushed'),
      silent('silent stopped', 'stopped'),
      silent('deaf marked', 'started'),
      silent('deaf started', 'flushed'),
    ])
  })

  it('whose stream is not what it should be ends the run', async () => {
    await leavesNothing([
      { fault: 'cut hello', code: 1, says: /\[FRAME_TRUNCATED\]$/m },
      { fault: 'cut accesses', code: 1, says: /\[FRAME_TRUNCATED\]$/m },
      { fault: 'garbage started', code: 1, says: /\[FRAME_TOO_LARGE\]$/m },
    ])
  })

  it('whose message was lost makes the record incomplete', async () => {
    await leavesNothing([{ fault: 'drop accesses', code: 5, says: /\[RECORD_INCOMPLETE\]$/m }])
  })

  it('that says more than is known is a newer one', async () => {
    const { code, stderr } = await runWith('unknown accesses')
    assert.equal(code, 0, stderr)
  })
})
