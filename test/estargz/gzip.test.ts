import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { gunzipSync } from 'node:zlib'
import { encodeFooter, FOOTER_BYTES, landmark, parseFooter, tocMember } from '../../optimizer/estargz/gzip.ts'
import { digestOf } from '../../optimizer/image/digest.ts'

describe('The footer', () => {
  it('is these 51 bytes', () => {
    const footer = encodeFooter(0x12ab)
    assert.equal(footer.length, FOOTER_BYTES)
    assert.equal(
      footer.toString('hex'),
      '1f8b08040000000000ff' +
        '1a00' +
        '5347' +
        '1600' +
        Buffer.from('00000000000012abSTARGZ').toString('hex') +
        '010000ffff' +
        '0000000000000000',
    )
  })

  it('is an empty gzip member', () => assert.equal(gunzipSync(encodeFooter(1)).length, 0))

  it('gives back the offset, up to 2^53 - 1', () => {
    for (const tocOffset of [0, 1, 0xdeadbeef, Number.MAX_SAFE_INTEGER]) {
      const tail = Buffer.concat([Buffer.from('before'), encodeFooter(tocOffset)])
      assert.deepEqual(parseFooter(tail), { tocOffset, footerBytes: 51 })
    }
  })

  it('of old stargz, 47 bytes without a subfield header, is read too', () => {
    const legacy = Buffer.concat([
      Buffer.from('1f8b08040000000000ff1600', 'hex'),
      Buffer.from('00000000000000ffSTARGZ'),
      Buffer.from('010000ffff0000000000000000', 'hex'),
    ])
    assert.equal(legacy.length, 47)
    assert.deepEqual(parseFooter(Buffer.concat([Buffer.alloc(4), legacy])), {
      tocOffset: 255,
      footerBytes: 47,
    })
  })

  it('is not seen where there is none', () => {
    assert.equal(parseFooter(Buffer.alloc(51)), undefined)
    assert.equal(parseFooter(Buffer.alloc(3)), undefined)
    for (const at of [0, 1, 3, 10, 12, 13, 16, 20, 33]) {
      const footer = encodeFooter(255)
      footer[at] = 0x58
      assert.equal(parseFooter(footer), undefined, `with byte ${at} wrong`)
    }
  })
})

describe('A landmark', () => {
  it('is a file of the one byte 0x0f with the digest that readers know', () => {
    for (const [prefetch, name] of [
      [true, '.prefetch.landmark'],
      [false, '.no.prefetch.landmark'],
    ] as const) {
      const { entry, content } = landmark(prefetch)
      assert.equal(entry.name.toString(), name)
      assert.deepEqual([entry.type, entry.mode, entry.sizeBytes, entry.mtimeNanoseconds], ['reg', 0, 1, 0n])
      assert.equal(
        digestOf(content as Buffer),
        'sha256:dc0e9c3658a1a3ed1ec94274d8b19925c93e1abb7ddba294923ad9bde30f8cb8',
      )
    }
  })
})

describe('The TOC member', () => {
  it('is a tar entry and the end of the archive, in whole blocks', () => {
    const bytes = Buffer.concat(tocMember([Buffer.from('{'), Buffer.from('}')]))
    assert.equal(bytes.length, 512 + 512 + 1024)
    assert.equal(bytes.toString('latin1', 0, 17), 'stargz.index.json')
    assert.equal(bytes.toString('latin1', 512, 514), '{}')
    assert.ok(bytes.subarray(514).every((byte) => byte === 0))
  })
})
