import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { endianness, tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'

const SOURCE = fileURLToPath(new URL('../../../test/native/event-buffer.cc', import.meta.url))
const METADATA_BYTES = 24

interface Fields {
  eventBytes?: number
  version?: number
  metadataBytes?: number
  mask?: number
  fd?: number
  pid?: number
}

/** struct fanotify_event_metadata, fanotify(7), followed by zeros up to `eventBytes`. */
function event(fields: Fields = {}): Buffer {
  const {
    eventBytes = METADATA_BYTES,
    version = 3,
    metadataBytes = METADATA_BYTES,
    mask = 0x20,
    fd = 9,
    pid = 77,
  } = fields
  const little = endianness() === 'LE'
  const bytes = Buffer.alloc(Math.max(eventBytes, METADATA_BYTES))
  const view = new DataView(bytes.buffer, bytes.byteOffset)
  view.setUint32(0, eventBytes, little)
  view.setUint8(4, version)
  view.setUint16(6, metadataBytes, little)
  view.setBigUint64(8, BigInt(mask), little)
  view.setInt32(16, fd, little)
  view.setInt32(20, pid, little)
  return bytes
}

describe('the parser of fanotify events', () => {
  let folder: string
  let program: string
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'optimizer-parser-'))
    program = join(folder, 'parser')
    const checks = ['-Wall', '-Wextra', '-Werror', '-fsanitize=address,undefined', '-fno-sanitize-recover']
    execFileSync('g++', ['-std=c++17', ...checks, '-o', program, SOURCE])
  })
  after(() => rmSync(folder, { recursive: true }))

  const table: [name: string, bytes: Buffer[], lines: string[]][] = [
    ['no bytes', [], ['end']],
    ['two events', [event(), event({ mask: 0x1020, fd: 10, pid: 78 })], ['20 9 77', '1020 10 78', 'end']],
    ['an overflow', [event({ mask: 0x4000, fd: -1, pid: 0 })], ['4000 -1 0', 'end']],
    ['an error instead of a descriptor', [event({ fd: -24 })], ['20 -24 77', 'end']],
    [
      'records after the metadata',
      [event({ eventBytes: 40 }), event({ fd: 5 })],
      ['20 9 77', '20 5 77', 'end'],
    ],
    ['longer metadata', [event({ eventBytes: 32, metadataBytes: 32 })], ['20 9 77', 'end']],
    ['another version', [event(), event({ version: 4 })], ['20 9 77', 'wrong version']],
    ['half an event', [event(), event().subarray(0, 23)], ['20 9 77', 'malformed']],
    ['a length of 0', [event({ eventBytes: 0 })], ['malformed']],
    ['a length below the metadata', [event({ eventBytes: 23 })], ['malformed']],
    ['a length beyond the buffer', [event({ eventBytes: 64 }).subarray(0, 63)], ['malformed']],
    ['metadata shorter than known', [event({ metadataBytes: 16 })], ['malformed']],
    ['metadata longer than the event', [event({ metadataBytes: 32 })], ['malformed']],
  ]
  for (const [name, bytes, lines] of table) {
    it(`reads ${name}`, () => {
      const text = execFileSync(program, { input: Buffer.concat(bytes), encoding: 'utf8' })
      assert.deepEqual(text.trimEnd().split('\n'), lines)
    })
  }
})
