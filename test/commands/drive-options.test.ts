/** Driving a workload as typed: what it means, in which order, and what is refused before anything runs. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { driveOptions } from '../../optimizer/commands/drive-options.ts'
import { DRIVE_ORDER, driveOrder } from '../../optimizer/commands/drive-order.ts'
import { formatStep } from '../../optimizer/workload/drive/drive.ts'
import { UsageError } from '../../shared/errors.ts'

const steps = (argv: Record<string, unknown>) =>
  (driveOptions(argv).drive ?? []).map((step) => `${step.kind} ${formatStep(step)}`)

describe('driving', () => {
  it('is nothing unless it is asked for', () => assert.deepEqual(driveOptions({}), {}))

  it('keeps the order of the command line, of both kinds', () => {
    const args = [
      'record',
      'x',
      '--http',
      'GET http://localhost/a',
      '--exec=["b"]',
      '--http=http://[::1]:81/c',
    ]
    assert.deepEqual(driveOrder([...args, '--', '--exec']), ['http', 'exec', 'http'])
    const argv = { http: ['GET http://localhost/a', 'http://[::1]:81/c'], exec: ['["b"]'] }
    const expected = ['http GET http://localhost/a', 'exec ["b"]', 'http GET http://[::1]:81/c']
    assert.deepEqual(steps({ ...argv, [DRIVE_ORDER]: driveOrder(args) }), expected)
  })

  it('of a file comes without an order: commands, then requests', () => {
    const argv = { http: ['http://localhost/'], exec: ['["a"]', '["b"]'], [DRIVE_ORDER]: [] }
    assert.deepEqual(steps(argv), ['exec ["a"]', 'exec ["b"]', 'http GET http://localhost/'])
  })

  it('may send a body, which is told to nobody, nor is a password', () => {
    const argv = { http: ['post http://me:secret@127.0.0.1/login?x=1 {"user": "a b"}'] }
    const [step] = driveOptions(argv).drive ?? []
    assert.deepEqual(step?.kind === 'http' && step.body, '{"user": "a b"}')
    assert.deepEqual(steps(argv), ['http POST http://127.0.0.1/login?x=1'])
  })

  const refused: [string, Record<string, unknown>][] = [
    ['an empty command', { exec: ['[]'] }],
    ['a command that is no array', { exec: ['true'] }],
    ['no URL', { http: ['GET'] }],
    ['https', { http: ['GET https://localhost/'] }],
    ['a URL of a name', { http: ['GET http://example.com/'] }],
    ['an unknown method', { http: ['FETCH http://localhost/'] }],
    ['a body that GET has not', { http: ['GET http://localhost/ x=1'] }],
    ['a person who ends the run', { http: ['http://localhost/'], 'wait-on-signal': true }],
  ]
  for (const [what, argv] of refused)
    it(`refuses ${what}`, () => assert.throws(() => driveOptions(argv), UsageError))
})
