/** The model beside what was measured: docs/simulator.md names the error that this test holds. */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { predictedRow } from '../../bench/predicted-rows.ts'
import { readStarts } from '../../bench/stored-starts.ts'

const FIXTURES = fileURLToPath(new URL('../../../test/fixtures/starts', import.meta.url))
const ERROR_MAX = 0.2

describe('the model’s error', () => {
  for (const file of readdirSync(FIXTURES).sort()) {
    const stored = readStarts(readFileSync(join(FIXTURES, file), 'utf8'))
    for (const row of stored.rows)
      for (const link of Object.keys(row.measured)) {
        const { predicted, measured, errors } = predictedRow(stored, row, link)
        it(`is at most ${ERROR_MAX * 100} % for ${stored.image}, ${row.id}, ${link}`, () => {
          for (const [figure, error] of Object.entries(errors))
            assert.ok(
              Math.abs(error) <= ERROR_MAX,
              `${figure}: ${(error * 100).toFixed(1)} % off: ${JSON.stringify({ predicted, measured })}`,
            )
        })
      }
  }
})
