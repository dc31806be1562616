import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Crc64 } from '../../optimizer/estargz/crc64.ts'
import fc from '../helpers/property.ts'

function crc(...pieces: Uint8Array[]): string {
  const sum = new Crc64()
  for (const piece of pieces) sum.update(piece)
  return sum.digest().toString('hex')
}

describe('A CRC-64', () => {
  it("has the value that Go's hash/crc64 gives for the ISO polynomial", () => {
    assert.equal(crc(Buffer.from('123456789')), 'b90956c775a41001')
    assert.equal(crc(), '0000000000000000')
    // Of Go's own test table.
    assert.equal(crc(Buffer.from('a')), '3420000000000000')
  })

  it('is the same however the bytes lie and are cut', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(7), fc.nat(300), (bytes, shift, cut) => {
        const moved = new Uint8Array(bytes.length + shift).subarray(shift)
        moved.set(bytes)
        const expected = crcBitwise(bytes)
        assert.equal(crc(moved), expected)
        assert.equal(crc(moved.subarray(0, cut), moved.subarray(cut)), expected)
      }),
    )
  })
})

/** Bit by bit, as the definition says. */
function crcBitwise(text: string | Uint8Array): string {
  let value = 0xffffffffffffffffn
  for (const byte of Buffer.from(text)) {
    value ^= BigInt(byte)
    for (let bit = 0; bit < 8; bit++) value = value & 1n ? (value >> 1n) ^ 0xd800000000000000n : value >> 1n
  }
  return (value ^ 0xffffffffffffffffn).toString(16).padStart(16, '0')
}
