/** A short run of every harness. `npm run fuzz` runs them longer. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { EVENT_BUFFER, skipWithoutClang } from './event-buffer.ts'
import { TARGETS } from './targets.ts'

const MAIN = fileURLToPath(new URL('./main.js', import.meta.url))
const SECONDS = 4
/** The same inputs every time: what the suite says of a change is about the change. `npm run fuzz` draws its own. */
const SEED = 1
/** More than there are processors: a harness that waits for a thread of its own leaves one idle. */
const SIDE_BY_SIDE = 4

describe('changed inputs', { concurrency: SIDE_BY_SIDE }, () => {
  for (const target of [...Object.keys(TARGETS), EVENT_BUFFER]) {
    const skip = target === EVENT_BUFFER && skipWithoutClang()
    it(`find nothing in ${target}`, { skip }, async (context) => {
      const { stdout } = await promisify(execFile)(process.execPath, [
        MAIN,
        '--target',
        target,
        '--seconds',
        String(SECONDS),
        '--seed',
        String(SEED),
      ]).catch((error: { stdout?: string }) => assert.fail(error.stdout || String(error)))
      context.diagnostic(stdout.trim())
    })
  }
})
