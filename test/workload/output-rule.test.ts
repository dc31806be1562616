/** Waiting for what a workload prints: in any pieces, lines of any length. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { lineRule, regexRule, WINDOW_CHARACTERS } from '../../optimizer/workload/stop-rules/output.ts'
import type { StopRule } from '../../optimizer/workload/stop-rules/stop-rule.ts'
import type { OutputStream, TextListener } from '../../optimizer/workload/task-output.ts'

type Make = (subscribe: (listener: TextListener) => () => void) => StopRule
type Piece = [OutputStream, string | null]

/** What the rule says after these pieces, or null when it is not met. */
async function after(make: Make, pieces: Piece[]): Promise<string | null> {
  let listener: TextListener | undefined
  const rule = make((given) => {
    listener = given
    return () => {
      listener = undefined
    }
  })
  for (const [stream, text] of pieces) listener?.(stream, text)
  const off = new AbortController()
  const met = rule.met(off.signal).catch(() => null)
  setImmediate(() => off.abort(new Error('off')))
  return await met
}

const line =
  (text: string): Make =>
  (subscribe) =>
    lineRule(text, subscribe)
const regex =
  (pattern: RegExp): Make =>
  (subscribe) =>
    regexRule(pattern, subscribe)
const long = 'x'.repeat(3 * WINDOW_CHARACTERS)

describe('waiting for a part of a line', () => {
  const cases: [name: string, text: string, pieces: Piece[], expected: string | null][] = [
    ['it is there', 'ready', [['stdout', 'server is ready now\n']], 'stdout has said "ready"'],
    ['it is there on stderr', 'ready', [['stderr', 'ready']], 'stderr has said "ready"'],
    [
      'it comes in pieces',
      'ready',
      [
        ['stdout', 're'],
        ['stdout', 'a'],
        ['stdout', 'dy'],
      ],
      'stdout has said "ready"',
    ],
    [
      'it is one character',
      'r',
      [
        ['stdout', 'a'],
        ['stdout', 'r'],
      ],
      'stdout has said "r"',
    ],
    [
      'it comes late in a line without an end',
      'ready',
      [
        ['stdout', long],
        ['stdout', `${long}rea`],
        ['stdout', 'dy'],
      ],
      'stdout has said "ready"',
    ],
    ['it is not there', 'ready', [['stdout', 'read\ny']], null],
    [
      'its halves are of two streams',
      'ready',
      [
        ['stdout', 'rea'],
        ['stderr', 'dy'],
      ],
      null,
    ],
    [
      'it comes twice',
      'ready',
      [
        ['stdout', 'ready\n'],
        ['stdout', 'ready\n'],
      ],
      'stdout has said "ready"',
    ],
  ]
  for (const [name, text, pieces, expected] of cases)
    it(`when ${name}`, async () => assert.equal(await after(line(text), pieces), expected))
})

describe('waiting for a line that matches', () => {
  const found = (pattern: RegExp) => `stdout had a line that matches ${pattern}`
  const cases: [name: string, pattern: RegExp, pieces: Piece[], matches: boolean][] = [
    ['it matches', /^ready in \d+ ms$/, [['stdout', 'a\nready in 12 ms\n']], true],
    ['it ends with CR LF', /^ready$/, [['stdout', 'ready\r\n']], true],
    [
      'it comes in pieces',
      /^ready$/,
      [
        ['stdout', 'rea'],
        ['stdout', 'dy'],
        ['stdout', '\nb'],
      ],
      true,
    ],
    ['it is not over yet', /^ready$/, [['stdout', 'ready']], false],
    [
      'it ends with the output',
      /^ready$/,
      [
        ['stdout', 'ready'],
        ['stdout', null],
      ],
      true,
    ],
    ['the pattern would span lines', /a.*b/s, [['stdout', 'a\nb\n']], false],
    ['the pattern remembers where it was', /ready/g, [['stdout', 'no\nready\n']], true],
    ['it is longer than a window', /ready/, [['stdout', `${long}ready${long}`]], true],
    [
      'the match lies across the end of a window',
      /ready/,
      [
        ['stdout', `${'x'.repeat(WINDOW_CHARACTERS - 2)}ready`],
        ['stdout', long],
      ],
      true,
    ],
    ['its end is beyond a window', /z$/, [['stdout', `${long}z\n`]], true],
  ]
  for (const [name, pattern, pieces, matches] of cases)
    it(`when ${name}`, async () => {
      const stateless = new RegExp(pattern.source, pattern.flags.replace('g', ''))
      assert.equal(await after(regex(pattern), pieces), matches ? found(stateless) : null)
    })
})
