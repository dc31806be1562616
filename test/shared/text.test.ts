import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { countedFiles, printableName, printablePath } from '../../shared/text.ts'

describe('a name within a line', () => {
  it('steers no terminal, makes no line of its own and turns nothing round', () => {
    assert.equal(printableName('a\x1b[2J\x9b'), 'a\\x1b[2J\\x9b')
    assert.equal(printableName('x\nwarning: all is well\t'), 'x\\nwarning: all is well\\t')
    assert.equal(printableName('txt.\u202eexe\u2028'), 'txt.\\u{202e}exe\\u{2028}')
  })

  it('of any script stays as it is', () => {
    assert.equal(printablePath('usr/bin/sh\n'), '/usr/bin/sh\\n')
    assert.deepEqual([0, 1, 2].map(countedFiles), ['0 files', '1 file', '2 files'])
    assert.equal(printableName('usr/naïve/שלום/日本語 😀'), 'usr/naïve/שלום/日本語 😀')
  })
})
