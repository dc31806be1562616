import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { parseEnvFile } from '../../optimizer/commands/env-file.ts'

const read = (text: string) => parseEnvFile(text, 'FILE', { HOME: '/me' })

describe('an environment file is read as docker reads it', () => {
  const cases: [name: string, text: string, changes: string[]][] = [
    ['a value is everything behind the first =', 'A=b=c\nD=\n', ['A=b=c', 'D=']],
    ['blank lines and comments say nothing', '\n  \n# A=1\n \t# B=2\nC=3', ['C=3']],
    ['a # inside a value belongs to it', 'A=1 # one\n', ['A=1 # one']],
    ['quotes belong to the value', 'A="x y"\nB=\'z\'\n', ['A="x y"', "B='z'"]],
    ['white space before a name goes, behind a value stays', ' \tA= x \n', ['A= x ']],
    ['lines may end as on Windows, and begin with a byte order mark', '\uFEFFA=1\r\nB=2\r\n', ['A=1', 'B=2']],
    ['a name alone takes our value', 'HOME\n', ['HOME=/me']],
    ['a name alone that we have no value of says nothing', 'ABSENT \n', []],
  ]
  for (const [name, text, changes] of cases) it(name, () => assert.deepEqual(read(text), changes))

  it('a line that is none is told with its number', () => {
    for (const line of ['=x', 'export A=1', 'A\0=1'])
      assert.throws(() => read(`OK=1\n${line}\n`), {
        code: 'ENV_FILE_INVALID',
        exitCode: 2,
        message: /FILE:2/,
      })
  })
})
