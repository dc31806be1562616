/** docs/errors.md is held against the sources: every code that can end a program, and with what status. */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { errorCodes } from './helpers/error-codes.ts'

const ROOT = new URL('../../', import.meta.url)

const sources = ['optimizer', 'notifier', 'shared', 'native'].flatMap((folder) =>
  readdirSync(new URL(`${folder}/`, ROOT), { recursive: true })
    .map((name) => `${folder}/${String(name)}`)
    .filter((path) => path.endsWith('.ts'))
    .map((path) => ({ path, text: readFileSync(new URL(path, ROOT), 'utf8') })),
)

describe('the table of error codes', () => {
  const rows = [
    ...readFileSync(new URL('docs/errors.md', ROOT), 'utf8').matchAll(
      /^\| `([A-Z_]+)` \| ([\d, ]+) \| (.+) \|$/gm,
    ),
  ].map(([, code = '', exits = '']) => [code, exits] as const)

  // The notifier ends as a shell would, and tells no code.
  const untold = ['COMMAND_NOT_RUN']

  it('has each code that the sources have, once, with its exit status', () => {
    const wanted = [...errorCodes(sources)]
      .filter(([code]) => !untold.includes(code))
      .map(([code, exits]) => [code, exits.join(', ')])
    assert.deepEqual(Object.fromEntries(rows), Object.fromEntries(wanted))
    assert.equal(rows.length, wanted.length)
  })
})

describe('the reader of sources', () => {
  it('knows codes of classes, of calls, and of both, and statuses that are said', () => {
    const text = `
export class CodedError extends Error {
}
export class UsageError extends CodedError {
  constructor(code: string, message: string) {
    super(code, message, { exitCode: EXIT.usage })
  }
}
class FixedError extends UsageError {
  constructor(message: string) {
    super('FIXED', message)
  }
}
class NativeError extends CodedError {}
throw new UsageError('A_B', \`write (\${one}), \${two}\`)
throw new CodedError(isC ? 'C' : 'D_1', 'words')
throw new CodedError('E', 'words', { exitCode: isOurs ? EXIT.precondition : EXIT.unexpected })
orNativeError('F', 'doing', '', () => call())
throw new FixedError('USAGE')
throw new RangeError('NOT_OURS')
`
    assert.deepEqual(Object.fromEntries(errorCodes([{ path: 'x.ts', text }])), {
      FIXED: [2],
      USAGE: [2],
      A_B: [2],
      C: [1],
      D_1: [1],
      E: [1, 3],
      F: [1, 3],
    })
  })
})
