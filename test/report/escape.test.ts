import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { escaped, isolated, shortened, visible } from '../../optimizer/report/escape.ts'
import fc from '../helpers/property.ts'

const RIGHT_TO_LEFT = '\u202e'
const INVALID = '\ufffd'

describe('text of others', () => {
  it('cannot become markup', () => {
    assert.equal(
      escaped(`<img src=x onerror="a('&')">`),
      '&lt;img src=x onerror=&quot;a(&#39;&amp;&#39;)&quot;&gt;',
    )
  })

  it('shows what a browser would hide or turn round', () => {
    assert.equal(visible('a\nb\tc\rd\0e\x1b[31m'), 'a\\nb\\tc\\rd\\x00e\\x1b[31m')
    assert.equal(visible(`exe${RIGHT_TO_LEFT}cod.txt`), 'exe\\u{202e}cod.txt')
    assert.equal(visible('zero\u200bwidth\ufeff'), 'zero\\u{200b}width\\u{feff}')
    assert.equal(visible('\ud800 half'), `${INVALID} half`)
  })

  it('keeps letters of every script', () => {
    const text = 'naïve שלום مرحبا 日本語 😀'
    assert.equal(visible(text), text)
    assert.equal(isolated(text), `<bdi>${text}</bdi>`)
  })

  it('keeps the beginning and the end where it is shortened, and splits no character', () => {
    assert.equal(shortened('usr/lib/libpython3.so', 11), 'usr/l…n3.so')
    assert.equal(shortened('short', 5), 'short')
    assert.equal(shortened('😀😀😀😀', 3), '😀…😀')
    assert.equal(shortened('<b>\n', 6), '<b>\\n')
  })

  it('whatever it is, holds no markup, no control and no mark of direction', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        assert.doesNotMatch(
          escaped(text),
          /[<>"'\p{Cc}\u200b-\u200f\u2028-\u202e\u2060-\u206f]|\p{Surrogate}/u,
        )
      }),
    )
  })
})
