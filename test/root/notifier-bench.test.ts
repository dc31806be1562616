import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import type { NotifierReport } from '../../bench/notifier/report.ts'
import { skipWithoutFanotify } from '../helpers/privilege.ts'

const BENCH = fileURLToPath(new URL('../../bench/notifier.js', import.meta.url))

describe('bench:notifier', { skip: skipWithoutFanotify() }, () => {
  it('has every contestant tell every file of a short storm', () => {
    const contestants = ['reader', 'peer', 'notifier'].flatMap((id) => ['--contestant', id])
    const options = [...contestants, '--workload', 'storm', '--scale', '0.03', '--rounds', '1', '--json']
    const output = execFileSync(process.execPath, [BENCH, ...options], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    const { workloads } = JSON.parse(output) as NotifierReport
    assert.deepEqual(
      workloads[0]?.contestants.map(({ id, median: { told, lost } }) => [id, told, lost]),
      [
        // Two executions in each of four processes, 25 files each, and the three programs that they execute.
        ['reader', 209, 0],
        ['peer', 209, 0],
        ['notifier', 209, 0],
      ],
    )
  })
})
