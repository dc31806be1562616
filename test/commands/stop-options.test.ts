/** Stop rules as typed: what they mean, and what is refused before anything runs. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { stopOptions } from '../../optimizer/commands/stop-options.ts'
import { UsageError } from '../../shared/errors.ts'

describe('stop rules', () => {
  it('are none unless they are given', () => {
    assert.deepEqual(stopOptions({}), {
      waitOnSignal: false,
      waitOnLine: [],
      waitOnRegex: [],
      readyTcp: [],
      readyHttp: [],
      readyExec: [],
      stopTimeoutSeconds: 5,
    })
  })

  it('may be given more than once, with times in their units', () => {
    const options = stopOptions({
      period: '2m',
      settle: '500ms',
      'stop-timeout': '3',
      'wait-on-line': ['a', 'b'],
      'wait-on-regex': ['^c$'],
      'ready-tcp': ['127.0.0.1:80', '[::1]:8080', 'localhost:81'],
      'ready-http': ['http://localhost:8080/health', 'http://[::1]/'],
      'ready-exec': ['["pg_isready","-q"]'],
    })
    assert.deepEqual(
      [options.periodSeconds, options.settleSeconds, options.stopTimeoutSeconds],
      [120, 0.5, 3],
    )
    assert.deepEqual(options.waitOnLine, ['a', 'b'])
    assert.deepEqual(options.waitOnRegex?.map(String), ['/^c$/u'])
    assert.deepEqual(options.readyTcp, [
      { address: '127.0.0.1', port: 80 },
      { address: '::1', port: 8080 },
      { address: 'localhost', port: 81 },
    ])
    assert.deepEqual(options.readyHttp?.map(String), ['http://localhost:8080/health', 'http://[::1]/'])
    assert.deepEqual(options.readyExec, [['pg_isready', '-q']])
  })

  const refused: [string, Record<string, unknown>][] = [
    ['a person and a line', { 'wait-on-signal': true, 'wait-on-line': ['x'] }],
    ['a person and a quiet time', { 'wait-on-signal': true, settle: '1s' }],
    ['a quiet time that is longer than the period', { settle: '2s', period: '1s' }],
    ['a name that needs a resolver', { 'ready-tcp': ['example.com:80'] }],
    ['port 0', { 'ready-tcp': ['127.0.0.1:0'] }],
    ['a port beyond the last', { 'ready-tcp': ['127.0.0.1:65536'] }],
    ['an IPv6 address without brackets', { 'ready-tcp': ['::1:80'] }],
    ['an address without a port', { 'ready-tcp': ['127.0.0.1'] }],
    ['https', { 'ready-http': ['https://127.0.0.1/'] }],
    ['a URL of a name', { 'ready-http': ['http://example.com/'] }],
    ['no URL', { 'ready-http': ['localhost'] }],
    ['an empty command', { 'ready-exec': ['[]'] }],
    ['a command that is no array', { 'ready-exec': ['true'] }],
    ['an empty line', { 'wait-on-line': [''] }],
    ['two lines', { 'wait-on-line': ['a\nb'] }],
    ['a broken pattern', { 'wait-on-regex': ['('] }],
    ['no time', { period: '0' }],
    ['an unknown unit', { 'stop-timeout': '5 minutes' }],
  ]
  for (const [what, argv] of refused)
    it(`refuse ${what}`, () => assert.throws(() => stopOptions(argv), UsageError))
})
