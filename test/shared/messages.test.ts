import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { readAccesses } from '../../shared/accesses-reader.ts'
import {
  type Access,
  decodeByCodec,
  decodeFromNotifier,
  decodeFromOptimizer,
  encodeMessage,
  type FromNotifier,
  type Hello,
  MessageError,
  PROTOCOL_VERSION,
  requireSameMajor,
} from '../../shared/messages.ts'
import fc from '../helpers/property.ts'

function helloOf(major: number, minor: number): Hello {
  return { type: 'hello', version: { major, minor }, program: 'peer 9.9', pid: 1, capabilities: {} }
}

const ACCESS_FIELDS = {
  path: fc.uint8Array({ minLength: 1, maxLength: 5000 }).map((bytes) => Buffer.from(bytes)),
  kinds: fc.integer({ min: 1, max: 7 }),
  pid: fc.integer({ min: 0, max: 0x7fffffff }),
  elapsedMicroseconds: fc.maxSafeInteger(),
  phase: fc.constantFrom(0, 1),
  sizeBytes: fc.maxSafeNat(),
  command: fc.option(fc.uint8Array({ minLength: 1, maxLength: 64 }).map((bytes) => Buffer.from(bytes))),
}
const ACCESS = fc.record(ACCESS_FIELDS, { noNullPrototype: true }) as fc.Arbitrary<Access>

describe('messages', () => {
  it('of accesses come out as they went in, for all bytes and integers', () => {
    fc.assert(
      fc.property(fc.array(ACCESS, { maxLength: 20 }), fc.maxSafeNat(), (entries, sequence) => {
        const message: FromNotifier = { type: 'accesses', sequence, entries }
        const payload = encodeMessage(message)
        assert.deepEqual(decodeByCodec(payload), message)
        assert.deepEqual(readAccesses(payload), { sequence, entries })
      }),
    )
  })

  it('of accesses that were changed mean to the short cut what they mean to the codec, or it leaves them', () => {
    const command = Buffer.from('sh')
    const entry = { kinds: 1, pid: 300, elapsedMicroseconds: -70_000, phase: 1, command } as const
    const entries = [
      { ...entry, path: Buffer.from('/etc/x'), sizeBytes: 2 ** 40 },
      { ...entry, path: Buffer.from('/y'), sizeBytes: 7 },
    ]
    const payload = encodeMessage({ type: 'accesses', sequence: 200, entries })
    const same = (changed: Buffer) => {
      const read = readAccesses(changed)
      if (read !== null) assert.deepEqual(decodeByCodec(changed), { type: 'accesses', ...read })
      return read !== null
    }
    for (let at = 0; at < payload.length; at++) {
      assert.equal(same(payload.subarray(0, at)), false)
      for (let value = 0; value < 256; value++) {
        const changed = Buffer.from(payload)
        changed[at] = value
        same(changed)
      }
    }
    assert.equal(same(Buffer.concat([payload, Buffer.from([0])])), false)
    assert.equal(same(payload), true)
  })

  it('of accesses do not keep the memory of what they were read from', () => {
    const entries = [{ kinds: 1, pid: 3, elapsedMicroseconds: 0, phase: 1, sizeBytes: 7 } as const].map(
      (entry) => ({
        ...entry,
        path: Buffer.from('/etc/x'),
        command: Buffer.from('sh'),
      }),
    )
    const payload = encodeMessage({ type: 'accesses', sequence: 0, entries })
    for (const decode of [decodeFromNotifier, decodeByCodec]) {
      const read = Buffer.from(payload)
      const message = decode(read)
      read.fill(0)
      assert.deepEqual(message, { type: 'accesses', sequence: 0, entries })
    }
  })

  it('of any bytes are decoded, ignored or refused, never otherwise', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (payload) => {
        for (const decode of [decodeFromNotifier, decodeFromOptimizer]) {
          try {
            decode(payload)
          } catch (error) {
            assert.ok(error instanceof MessageError, String(error))
          }
        }
      }),
      { numRuns: 2000 },
    )
  })

  it('that are changed in one byte are decoded, ignored or refused, never otherwise', () => {
    const payload = encodeMessage({
      type: 'accesses',
      sequence: 1,
      entries: [
        {
          path: Buffer.from('/etc/x'),
          kinds: 1,
          pid: 9,
          elapsedMicroseconds: -1,
          phase: 1,
          sizeBytes: 7,
          command: null,
        },
      ],
    })
    for (let at = 0; at < payload.length; at++) {
      for (let value = 0; value < 256; value++) {
        const changed = Buffer.from(payload)
        changed[at] = value
        try {
          decodeFromNotifier(changed)
        } catch (error) {
          assert.ok(error instanceof MessageError, `byte ${at} = ${value}: ${error}`)
        }
      }
    }
  })

  it('nested deeper than the stack are refused', () => {
    const depth = 200_000
    const payload = Buffer.concat([Buffer.from([0x81, 0xa4]), Buffer.from('type'), Buffer.alloc(depth, 0x91)])
    assert.throws(() => decodeFromNotifier(payload), { code: 'MESSAGE_MALFORMED' })
  })

  it('of another minor version are welcome', () => {
    requireSameMajor(helloOf(PROTOCOL_VERSION.major, PROTOCOL_VERSION.minor + 1))
  })

  it('of another major version are refused, naming both', () => {
    assert.throws(() => requireSameMajor(helloOf(2, 3)), {
      code: 'VERSION_UNSUPPORTED',
      message: 'peer 9.9 speaks protocol 2.3, this side speaks 1.1: install both from the same release',
    })
  })
})
