import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as values from '../../optimizer/commands/values.ts'

describe('option values', () => {
  it('times have units, and a bare number is seconds', () => {
    const table: [string, number][] = [
      ['10', 10],
      ['10s', 10],
      ['500ms', 0.5],
      ['1.5s', 1.5],
      ['2m', 120],
      ['1h', 3600],
    ]
    for (const [text, seconds] of table) assert.equal(values.durationSeconds('period', text), seconds, text)
    for (const text of ['', '0', '-1', '1d', 's', '1e3', 'NaN', '999h']) {
      assert.throws(
        () => values.durationSeconds('period', text),
        { code: 'OPTION_INVALID', exitCode: 2 },
        text,
      )
    }
  })

  it('sizes have binary units and limits', () => {
    assert.equal(values.sizeBytes('size', '4MiB', 1, 2 ** 30), 4 * 1024 * 1024)
    assert.equal(values.sizeBytes('size', '512', 1, 2 ** 30), 512)
    for (const text of ['', '0', '4MB', '2GiB', '-1', '1.5MiB']) {
      assert.throws(() => values.sizeBytes('size', text, 1, 2 ** 30), { code: 'OPTION_INVALID' }, text)
    }
  })

  it('bit rates have decimal units, in whatever letters', () => {
    assert.deepEqual(
      ['100Mbit', '2.5 gbit/s', '64Kbit', ' 1Gbit '].map(values.bitRate),
      [100e6, 2.5e9, 64e3, 1e9],
    )
    for (const text of ['', '100', '100MB', '0Mbit', '-1Mbit', '9e9Gbit', 'Mbit'])
      assert.equal(values.bitRate(text), undefined, text)
  })

  it('entrypoint and args are JSON arrays of strings', () => {
    assert.deepEqual(values.stringArray('args', '["-c", "a b"]'), ['-c', 'a b'])
    assert.deepEqual(values.stringArray('args', '[]'), [])
    for (const text of ['', 'sh', '{}', '[1]', '["a"', '"a"', '["\\u0000"]']) {
      assert.throws(() => values.stringArray('args', text), /--args.*JSON array of strings/, text)
    }
  })

  it('an environment change names a variable', () => {
    for (const text of ['A=1', 'A=', 'A', 'A=b=c', 'A=line\nline'])
      assert.equal(values.environmentChange('env', text), text)
    for (const text of ['', '=1', 'A\0=1'])
      assert.throws(() => values.environmentChange('env', text), { code: 'OPTION_INVALID' })
  })

  it('an output file needs a folder that can be written', () => {
    assert.throws(
      () => values.outputFile('record-out', '/nonexistent/record.jsonl'),
      /--record-out.*cannot be written/,
    )
    assert.throws(() => values.outputFile('record-out', '/tmp'), /it is a directory/)
  })
})
