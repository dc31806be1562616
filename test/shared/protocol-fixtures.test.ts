import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import {
  type Access,
  decodeFromNotifier,
  decodeFromOptimizer,
  encodeMessage,
  type FromNotifier,
  type FromOptimizer,
  MessageError,
  PROTOCOL_VERSION,
} from '../../shared/messages.ts'

type Message = FromNotifier | FromOptimizer
type Json = null | boolean | number | string | Json[] | { [key: string]: Json }

interface Fixture {
  name: string
  from: 'notifier' | 'optimizer'
  message: Json
  code: string
  payload: Buffer
}

const FIXTURES = fileURLToPath(new URL('../../../test/fixtures/protocol/', import.meta.url))

function fixtures(folder: string): Fixture[] {
  return readdirSync(join(FIXTURES, folder))
    .filter((file) => file.endsWith('.json'))
    .map((file) => {
      const path = join(FIXTURES, folder, file)
      const payload = readFileSync(path.replace(/\.json$/, '.bin'))
      return { name: file.slice(0, -5), payload, ...JSON.parse(readFileSync(path, 'utf8')) }
    })
}

function decode({ from, payload }: Fixture): Message | null {
  return from === 'notifier' ? decodeFromNotifier(payload) : decodeFromOptimizer(payload)
}

/** Order of an entry's elements, written down a second time: docs/protocol.md, "accesses". */
const ENTRY_ORDER = ['path', 'kinds', 'pid', 'elapsedMicroseconds', 'phase', 'sizeBytes', 'command'] as const

/** A message as the fixtures write it: entries as arrays, bytes as text or base64. */
function toFixture(value: unknown): unknown {
  if (Buffer.isBuffer(value)) {
    const text = value.toString('utf8')
    return Buffer.from(text).equals(value) ? { bytes: text } : { base64: value.toString('base64') }
  }
  if (Array.isArray(value)) return value.map(toFixture)
  if (typeof value !== 'object' || value === null) return value
  if ('sizeBytes' in value) return ENTRY_ORDER.map((name) => toFixture((value as Access)[name]))
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, toFixture(item)]))
}

function fromFixture(value: Json): unknown {
  if (Array.isArray(value)) return value.map(fromFixture)
  if (typeof value !== 'object' || value === null) return value
  if (typeof value.bytes === 'string') return Buffer.from(value.bytes)
  if (typeof value.base64 === 'string') return Buffer.from(value.base64, 'base64')
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [
      key,
      key === 'entries' ? (item as Json[][]).map(entryFromFixture) : fromFixture(item),
    ]),
  )
}

function entryFromFixture(elements: Json[]): unknown {
  return Object.fromEntries(ENTRY_ORDER.map((name, index) => [name, fromFixture(elements[index] as Json)]))
}

const VERSIONS = readdirSync(FIXTURES).filter((name) => /^v\d+\.\d+$/.test(name))

for (const version of VERSIONS) {
  describe(`protocol ${version.slice(1)}, in bytes of another implementation,`, () => {
    for (const fixture of fixtures(version)) {
      it(`reads ${fixture.name}`, () => assert.deepEqual(toFixture(decode(fixture)), fixture.message))
      it(`writes ${fixture.name} as the same bytes`, () => {
        const written = encodeMessage(fromFixture(fixture.message) as Message)
        assert.equal(written.toString('hex'), fixture.payload.toString('hex'))
      })
    }

    for (const fixture of fixtures(`${version}/accepted`))
      it(`accepts ${fixture.name}`, () => assert.deepEqual(toFixture(decode(fixture)), fixture.message))

    for (const fixture of fixtures(`${version}/refused`)) {
      it(`refuses ${fixture.name}`, () => {
        assert.throws(
          () => decode(fixture),
          (error) =>
            error instanceof MessageError && error.code === fixture.code && error.message.length < 400,
        )
      })
    }
  })
}

describe('the fixtures of the protocol', () => {
  it('have the current version among them', () => {
    assert.ok(VERSIONS.includes(`v${PROTOCOL_VERSION.major}.${PROTOCOL_VERSION.minor}`))
  })

  it('have every message type', () => {
    const types = fixtures('v1.0').map(({ from, message }) => `${from} ${(message as { type: string }).type}`)
    const notifier: FromNotifier['type'][] = [
      'hello',
      'marked',
      'started',
      'accesses',
      'flushed',
      'stopped',
      'error',
    ]
    const optimizer: FromOptimizer['type'][] = ['hello', 'mark', 'started', 'flush', 'stop', 'error']
    assert.deepEqual(
      [...new Set(types)].sort(),
      [...notifier.map((type) => `notifier ${type}`), ...optimizer.map((type) => `optimizer ${type}`)].sort(),
    )
  })
})
