/** The model beside what was measured: docs/simulator.md names the error that this test holds. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { predictedRow } from '../../bench/predicted-rows.ts'
import { readStarts } from '../../bench/stored-starts.ts'

const FIXTURES = fileURLToPath(new URL('../../../test/fixtures/starts', import.meta.url))
const MODEL_ERROR = fileURLToPath(new URL('../../bench/model-error.js', import.meta.url))
const DOCUMENT = fileURLToPath(new URL('../../../docs/simulator.md', import.meta.url))
/** Of requests and bytes nothing was fitted: a rule of the client that is left out shows in them. */
const ERRORS_MAX = { totalSeconds: 0.2, requests: 0.015, wireBytes: 0.002 }

/** Of an image whose rows the times and rates were not fitted to. */
const HELD_OUT_MAX = { largest: 0.2, median: 0.1 }

/** What the command prints, and docs/simulator.md has. */
function documented(...options: string[]): string {
  const { stdout, stderr } = spawnSync(process.execPath, [MODEL_ERROR, ...options], { encoding: 'utf8' })
  assert.equal(stderr, '')
  assert.ok(readFileSync(DOCUMENT, 'utf8').includes(`\`\`\`\n${stdout}\`\`\``), stdout)
  return stdout
}

describe('the model’s error', () => {
  it('is what docs/simulator.md says, of every row', () => {
    assert.ok(documented().split('\n').length > 16)
  })

  for (const image of ['interpreter', 'compiler'])
    it(`is what docs/simulator.md says of ${image}, when it was fitted to the other image alone`, () => {
      const [, largest, median] =
        /: at most ([\d.]+) % off, ([\d.]+) % in the median\n$/.exec(documented('--hold-out', image)) ?? []
      assert.ok(Number(largest) <= HELD_OUT_MAX.largest * 100, largest)
      assert.ok(Number(median) <= HELD_OUT_MAX.median * 100, median)
    })

  for (const file of readdirSync(FIXTURES).sort()) {
    const stored = readStarts(readFileSync(join(FIXTURES, file), 'utf8'))
    for (const row of stored.rows)
      for (const link of Object.keys(row.measured)) {
        const { predicted, measured, errors } = predictedRow(stored, row, link)
        it(`is small for ${stored.image}, ${row.id}, ${link}`, () => {
          for (const [figure, most] of Object.entries(ERRORS_MAX))
            assert.ok(
              Math.abs(errors[figure as keyof typeof errors]) <= most,
              `${figure}: ${JSON.stringify({ errors, predicted, measured })}`,
            )
        })
      }
  }
})
