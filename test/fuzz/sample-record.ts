import type { AccessRecord, RecordEntry } from '../../shared/record.ts'

const file: RecordEntry = {
  path: Buffer.from('bin/a'),
  manifestDigest: `sha256:${'a'.repeat(64)}`,
  layerIndex: 0,
  layerDigest: `sha256:${'b'.repeat(64)}`,
  phase: 'run',
  kinds: ['open', 'exec'],
  firstAccessMicroseconds: 1500,
  sizeBytes: 4096,
  pid: 77,
  command: Buffer.from('sh'),
}

/** A record with every kind of entry. */
export const sampleRecord: AccessRecord = {
  header: {
    schemaVersion: 1,
    recordedBy: 'test 1.0',
    image: { reference: 'a:1', manifestDigest: `sha256:${'a'.repeat(64)}`, platform: 'linux/amd64' },
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
      madeAtRunTime: 1,
      copiedUp: 0,
      byProbe: 0,
      createLeftOut: 0,
      outsideLayers: 0,
    },
    complete: true,
    incompleteReasons: [],
  },
  entries: [
    file,
    {
      ...file,
      path: Buffer.from('caf\xe9', 'latin1'),
      phase: 'create',
      firstAccessMicroseconds: -20,
      command: null,
    },
    {
      ...file,
      path: Buffer.from('b\n"c'),
      manifestDigest: null,
      layerIndex: null,
      layerDigest: null,
      kinds: ['read'],
    },
  ],
}
