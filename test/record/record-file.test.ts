import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  type AccessRecord,
  formatRecord,
  parseRecord,
  type RecordEntry,
  type RecordHeader,
} from '../../shared/record.ts'
import fc from '../helpers/property.ts'

const header: RecordHeader = {
  schemaVersion: 1,
  recordedBy: 'test 1.0',
  image: {
    reference: 'docker.io/library/a:1',
    manifestDigest: `sha256:${'a'.repeat(64)}`,
    platform: 'linux/amd64',
  },
  workload: { args: ['/bin/a'], envNames: ['PATH'], cwd: '/', user: '0:0' },
  kernel: '6.1.0',
  mark: { kind: 'filesystem', reason: 'overlay' },
  reads: false,
  stop: { rule: 'period', reason: '10 s are over', readySeconds: null },
  started: '2026-01-01T00:00:00.000Z',
  durationSeconds: 10,
  exitStatus: 143,
  counters: {
    read: 2,
    merged: 0,
    sent: 2,
    overflows: 0,
    descriptorErrors: 0,
    unresolved: 0,
    deleted: 0,
    ignoredOwn: 0,
    received: 2,
    madeAtRunTime: null,
    copiedUp: 0,
    byProbe: 0,
    createLeftOut: 0,
    outsideLayers: 0,
  },
  complete: true,
  incompleteReasons: [],
}

const entries = fc.array(
  fc.record<RecordEntry>(
    {
      path: fc.uint8Array({ minLength: 1, maxLength: 60 }).map((bytes) => Buffer.from(bytes)),
      manifestDigest: fc.constantFrom(null, `sha256:${'a'.repeat(64)}`),
      layerIndex: fc.option(fc.nat(500)),
      layerDigest: fc.constantFrom(null, `sha256:${'b'.repeat(64)}`),
      phase: fc.constantFrom('create', 'run'),
      kinds: fc.subarray(['open', 'exec', 'read']),
      firstAccessMicroseconds: fc.maxSafeInteger(),
      sizeBytes: fc.maxSafeNat(),
      pid: fc.nat(),
      command: fc.option(fc.uint8Array({ maxLength: 16 }).map((bytes) => Buffer.from(bytes))),
    },
    { noNullPrototype: true },
  ),
)

describe('a record file', () => {
  it('gives back every byte of every path, whatever the path', () => {
    fc.assert(
      fc.property(entries, (entries) => {
        const record: AccessRecord = { header, entries }
        assert.deepEqual(parseRecord(formatRecord(record)), record)
      }),
    )
  })

  it('shows a path as text, and its bytes beside it only where they are no UTF-8', () => {
    const entry: RecordEntry = {
      path: Buffer.from('usr/bin/é'),
      manifestDigest: null,
      layerIndex: null,
      layerDigest: null,
      phase: 'run',
      kinds: ['open'],
      firstAccessMicroseconds: 5,
      sizeBytes: 1,
      pid: 1,
      command: null,
    }
    const [, plain] = formatRecord({ header, entries: [entry] }).split('\n')
    assert.equal(JSON.parse(plain ?? '').path, 'usr/bin/é')
    assert.ok(!(plain ?? '').includes('Base64'))
    const [, raw] = formatRecord({
      header,
      entries: [{ ...entry, path: Buffer.from([0x61, 0xff, 0x0a]) }],
    }).split('\n')
    assert.deepEqual(Buffer.from(JSON.parse(raw ?? '').pathBase64, 'base64'), Buffer.from([0x61, 0xff, 0x0a]))
  })

  it('tells what was done to the workload, where something was', () => {
    const drive = [
      { exec: ['redis-cli', 'ping'], status: 0 },
      { http: 'GET http://localhost/', status: null },
    ]
    const record: AccessRecord = { header: { ...header, drive }, entries: [] }
    assert.deepEqual(parseRecord(formatRecord(record)), record)
    assert.equal('drive' in parseRecord(formatRecord({ header, entries: [] })).header, false)
  })

  it('is refused where a field of its header is missing or of another kind, by name', () => {
    const damaged: [change: object, message: RegExp][] = [
      [{ recordedBy: 1 }, /line 1 .*recordedBy must be a string/],
      [{ image: { reference: 'a' } }, /manifestDigest must be a string/],
      [{ workload: { ...header.workload, args: 'sh' } }, /args must be an array of strings/],
      [{ mark: { kind: 'inode', reason: '' } }, /mark\.kind must be/],
      [{ stop: { rule: 'exit', reason: '', readySeconds: -1 } }, /readySeconds must be a number/],
      [{ sources: 'a' }, /sources must be an array/],
      [{ sources: [{ file: 'a' }] }, /digest must be a string/],
      [{ rebasedFrom: { reference: 'a', manifestDigest: 1 } }, /manifestDigest must be a string/],
      [{ drive: {} }, /drive must be an array/],
      [{ drive: ['GET'] }, /drive must be an array of objects/],
      [{ drive: [{ exec: 'true', status: 0 }] }, /exec must be an array of strings/],
      [{ drive: [{ status: 0 }] }, /http must be a string/],
      [{ reads: undefined }, /reads must be true or false/],
      [{ exitStatus: 1.5 }, /exitStatus must be an integer/],
      [{ counters: { ...header.counters, overflows: '0' } }, /overflows must be an integer/],
      [{ complete: false }, /complete must be true where incompleteReasons is empty/],
      [{ incompleteReasons: ['1 gaps'] }, /complete must be true where incompleteReasons is empty/],
    ]
    for (const [change, message] of damaged)
      assert.throws(() => parseRecord(JSON.stringify({ ...header, ...change })), message)
  })

  it('is refused with its line where it is damaged', () => {
    const line =
      '{"path":"a","manifestDigest":null,"layerIndex":0,"layerDigest":null,"phase":"run","kinds":["open"],"firstAccessMicroseconds":0,"sizeBytes":0,"pid":1,"command":null}'
    const damaged: [string, RegExp][] = [
      ['', /line 1 .*not JSON/],
      ['{"schemaVersion":2}', /schemaVersion must be 1, not 2/],
      [`${JSON.stringify(header)}\n{`, /line 2 .*not JSON/],
      [`${JSON.stringify(header)}\n[]`, /line 2 .*must be an object/],
      [`${JSON.stringify(header)}\n${line.replace('"run"', '"later"')}`, /line 2 .*phase/],
      [
        `${JSON.stringify(header)}\n${line}\n${line.replace('"layerIndex":0', '"layerIndex":-1')}`,
        /line 3 .*layerIndex/,
      ],
      [`${JSON.stringify(header)}\n${line.replace('"path":"a",', '')}`, /line 2 .*path must be a string/],
    ]
    assert.equal(parseRecord(`${JSON.stringify(header)}\n${line}`).entries.length, 1)
    for (const [text, message] of damaged) assert.throws(() => parseRecord(text), message)
  })
})
