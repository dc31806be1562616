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

describe('the model’s error', () => {
  it('is what docs/simulator.md says, of every row', () => {
    const { stdout } = spawnSync(process.execPath, [MODEL_ERROR], { encoding: 'utf8' })
    assert.ok(stdout.split('\n').length > 16, stdout)
    assert.ok(readFileSync(DOCUMENT, 'utf8').includes(`\`\`\`\n${stdout}\`\`\``), stdout)
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
