/** What `npm run test:matrix` says at its end. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { matrixText, outcomeOf } from './matrix-report.ts'

const SAID = `▶ a suite
  ✔ a test (1.2ms)

Failed:
  dist/test/root/a.test.js: does it: and more: expected 1: got 2
  dist/test/root/b.test.js: that: The operation failed

Skipped:
  dist/test/root/c.test.js: limits: the memory controller is in version 1

unit   0 passed, 0 failed, 0 skipped in 0.0 s
root   7 passed, 2 failed, 1 skipped in 9.1 s
7 passed, 2 failed, 1 skipped
`

describe('a run of the tests', () => {
  it('comes to what it says at its end, with what failed and why others were skipped', () => {
    assert.deepEqual(outcomeOf(SAID, 1), {
      passed: 7,
      failed: [
        'dist/test/root/a.test.js: does it: and more: expected 1: got 2',
        'dist/test/root/b.test.js: that: The operation failed',
      ],
      skipped: ['limits: the memory controller is in version 1'],
    })
  })

  it('that does not end, or says nothing of why it failed, has failed', () => {
    assert.deepEqual(outcomeOf('▶ a suite\n', null), {
      passed: 0,
      failed: ['the tests did not end (status null)'],
      skipped: [],
    })
    assert.deepEqual(outcomeOf('0 passed, 0 failed, 0 skipped\n', 1).failed, [
      'the tests ended with status 1',
    ])
    assert.deepEqual(outcomeOf('3 passed, 0 failed, 0 skipped\n', 0), { passed: 3, failed: [], skipped: [] })
  })
})

describe('the matrix', () => {
  const row = (where: string, failed: string[], skipped: string[]) => ({
    what: 'the root tests',
    where,
    outcome: { passed: 7, failed, skipped },
  })

  it('is a table, and each reason once with where it holds', () => {
    assert.equal(
      matrixText([
        row('runc 1.1', [], ['x: no zsh here']),
        row('runc 1.3', ['a: b'], ['x: no zsh here', 'y: z']),
      ]),
      `| what | where | passed | failed | skipped |
| --- | --- | --- | --- | --- |
| the root tests | runc 1.1 | 7 | 0 | 1 |
| the root tests | runc 1.3 | 7 | 1 | 2 |

Failed:

- a: b (the root tests, runc 1.3)

Skipped:

- x: no zsh here (everywhere)
- y: z (the root tests, runc 1.3)
`,
    )
  })

  it('has no lists where nothing failed and nothing was skipped', () => {
    assert.equal(
      matrixText([row('runc 1.1', [], [])]),
      '| what | where | passed | failed | skipped |\n| --- | --- | --- | --- | --- |\n| the root tests | runc 1.1 | 7 | 0 | 0 |\n',
    )
  })
})
