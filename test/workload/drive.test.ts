/** Driving: one step after the other, until all have succeeded or one has failed. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { ExecEnd } from '../../optimizer/workload/container-exec.ts'
import { connectSeconds, Drive } from '../../optimizer/workload/drive/drive.ts'
import type { DriveStep } from '../../optimizer/workload/options.ts'
import { untilAborted } from '../../optimizer/workload/stop-rules/until.ts'
import { SILENT_LOG } from '../../shared/log.ts'

const exec = (...args: string[]): DriveStep => ({ kind: 'exec', args })

function drive(
  steps: DriveStep[],
  run: (args: readonly string[], signal: AbortSignal) => Promise<ExecEnd>,
): Drive {
  const means = { exec: { run }, networkPath: '/nonexistent', connectSeconds: 0.01, output: () => {} }
  return new Drive(steps, means, SILENT_LOG)
}

const ends =
  (status: number | null, ...lastLines: string[]) =>
  async () => ({ status, lastLines })
const going = new AbortController().signal

describe('driving a workload', () => {
  it('takes each step when the one before has succeeded', async () => {
    const taken: string[] = []
    const driven = drive([exec('a'), exec('b')], async (args) => {
      taken.push(args.join(' '))
      return { status: 0, lastLines: [] }
    })
    assert.equal(await driven.met(going), 'driven by 2 steps')
    assert.deepEqual(taken, ['a', 'b'])
    assert.deepEqual([driven.done, driven.failure, driven.name], [true, null, 'exec'])
    assert.deepEqual(driven.steps, [
      { exec: ['a'], status: 0 },
      { exec: ['b'], status: 0 },
    ])
  })

  it('ends with the first that fails, and keeps what it said', async () => {
    const driven = drive([exec('a'), exec('b')], ends(3, 'some trouble'))
    const what = '--exec ["a"] ended with status 3'
    assert.equal(await driven.met(going), what)
    assert.deepEqual([driven.done, driven.failure], [false, { what, lastLines: ['some trouble'] }])
    assert.deepEqual(driven.steps, [{ exec: ['a'], status: 3 }])
  })

  it('fails when a command cannot be run, or nobody takes a connection', async () => {
    const absent = drive([exec('a')], ends(null, 'no such file'))
    assert.equal(await absent.met(going), '--exec ["a"] could not be run')
    const request = { kind: 'http', method: 'GET', url: new URL('http://localhost:1/') } as const
    const silent = drive([request], ends(0))
    assert.match(
      await silent.met(going),
      /^--http GET \S+ had no answer: nothing takes a connection at localhost:1$/,
    )
    assert.deepEqual(silent.steps, [{ http: 'GET http://localhost:1/', status: null }])
  })

  it('is called off like any rule, and tells what had not ended', async () => {
    const driven = drive([exec('a')], (_, signal) => untilAborted(new Promise<never>(() => {}), signal))
    const off = new AbortController()
    const met = driven.met(off.signal)
    off.abort(new Error('called off'))
    await assert.rejects(met, /called off/)
    assert.equal(driven.found(), '--exec ["a"] has not ended')
    assert.deepEqual([driven.done, driven.failure], [false, null])
  })

  it('waits for ports as long as the run goes on, a moment once a rule has called the workload ready', () => {
    const options = { stopTimeoutSeconds: 1 }
    assert.equal(connectSeconds({ ...options, readyTcp: [] }), null)
    assert.equal(connectSeconds({ ...options, waitOnLine: ['ready'] }), 5)
  })
})
