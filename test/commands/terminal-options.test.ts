/** Stdin and terminal as typed. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { terminalOptions } from '../../optimizer/commands/terminal-options.ts'

describe('the stdin and the terminal of a workload', () => {
  const meanings: [string, Record<string, unknown>, object][] = [
    ['are none unless asked for', {}, {}],
    ['may be stdin alone', { interactive: true }, { interactive: true }],
    ['may be a terminal without keys', { terminal: true }, { terminal: true }],
    [
      'leave it to the person when it is enough',
      { interactive: true, terminal: true },
      { interactive: true, terminal: true, waitOnSignal: true },
    ],
    [
      'leave that to any rule that is given',
      { interactive: true, terminal: true, period: '10s' },
      { interactive: true, terminal: true },
    ],
    [
      'leave that to driving, too',
      { interactive: true, terminal: true, http: ['http://localhost/'] },
      { interactive: true, terminal: true },
    ],
  ]
  for (const [what, argv, options] of meanings)
    it(what, () => assert.deepEqual(terminalOptions(argv), options))
})
