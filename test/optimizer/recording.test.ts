import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import {
  closeSync,
  lstatSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  readSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { MEDIA_TYPE } from '../../optimizer/image/descriptor.ts'
import { digestOf } from '../../optimizer/image/digest.ts'
import { hostPlatform } from '../../optimizer/image/platform.ts'
import { LayerIndex } from '../../optimizer/record/layer-index.ts'
import { makeRecord, requireUsableRecord, writeRecordFile } from '../../optimizer/recording.ts'
import type { ResolvedImage } from '../../optimizer/store/resolve.ts'
import type { WorkloadRun } from '../../optimizer/workload/run-workload.ts'
import { requireWorkloadPlatform } from '../../optimizer/workload-platform.ts'
import { SILENT_LOG } from '../../shared/log.ts'
import type { Access } from '../../shared/messages.ts'
import { parseRecord } from '../../shared/record.ts'

const descriptor = { mediaType: MEDIA_TYPE.ociManifest, digest: digestOf('manifest'), size: 8 }

const image: ResolvedImage = {
  name: 'test',
  root: descriptor,
  index: null,
  descriptor,
  manifest: { schemaVersion: 2, config: descriptor, layers: [] },
  config: { os: 'linux', architecture: 'amd64', rootfs: { type: 'layers', diff_ids: [] } },
  platform: hostPlatform(),
}

const access: Access = {
  path: Buffer.from('/made/at/run/time'),
  kinds: 1,
  pid: 1,
  elapsedMicroseconds: 1,
  phase: 1,
  sizeBytes: 0,
  command: null,
}

function run(change: { lost?: string[] } = {}): WorkloadRun {
  return {
    accesses: [access],
    counters: {
      read: 1,
      merged: 0,
      sent: 1,
      overflows: 0,
      descriptorErrors: 0,
      unresolved: 0,
      deleted: 0,
      ignoredOwn: 0,
    },
    lost: change.lost ?? [],
    mark: { kind: 'filesystem', reason: 'test' },
    reads: false,
    stop: { rule: 'exit', reason: 'test', readySeconds: null },
    upper: null,
    drive: [],
    probePids: new Set(),
    exitStatus: 0,
    started: new Date(0),
    durationSeconds: 1,
    args: ['/bin/a'],
    envNames: [],
    cwd: '/',
    user: '',
    mountPoint: '/mnt',
  }
}

const strict = { onLoss: 'fail', allowWorkloadFailure: false, createPhase: true } as const
const recordOf = (workloadRun: WorkloadRun) =>
  makeRecord(workloadRun, image, new LayerIndex([]), strict, SILENT_LOG)

describe('a recording', () => {
  it('is complete when every access that was sent has arrived', () => {
    const { header } = recordOf(run())
    assert.equal(header.complete, true)
    assert.equal(header.counters.received, 1)
    assert.equal(header.counters.outsideLayers, 1)
  })

  it('is incomplete when some accesses are lost: no image may be made by it, and it says why', () => {
    const record = recordOf(run({ lost: ["1 overflows of the kernel's event queue"] }))
    assert.equal(record.header.complete, false)
    assert.throws(() => requireUsableRecord(record, strict, SILENT_LOG), {
      code: 'RECORD_INCOMPLETE',
      exitCode: 5,
      message: /1 overflows of the kernel's event queue/,
    })
  })

  it('may be incomplete, and say so, when somebody wants it all the same', () => {
    const warnings: string[] = []
    const log = { ...SILENT_LOG, warn: (text: string) => void warnings.push(text) }
    const record = recordOf(run({ lost: ['2 gaps'] }))
    requireUsableRecord(record, { onLoss: 'warn', allowWorkloadFailure: true }, log)
    assert.match(warnings[0] ?? '', /incomplete: 2 gaps/)
    assert.deepEqual(record.header.incompleteReasons, ['2 gaps'])
  })

  it('is of no use when the workload read no file of the image, unless it may fail', () => {
    const record = recordOf(run())
    assert.throws(() => requireUsableRecord(record, strict, SILENT_LOG), {
      code: 'NOTHING_RECORDED',
      exitCode: 4,
    })
    requireUsableRecord(record, { ...strict, allowWorkloadFailure: true }, SILENT_LOG)
  })

  it('is refused for a platform whose programs this machine cannot run', () => {
    requireWorkloadPlatform(hostPlatform())
    assert.throws(() => requireWorkloadPlatform({ os: 'linux', architecture: 's390x' }), {
      code: 'PLATFORM_NOT_RUNNABLE',
      exitCode: 3,
    })
  })

  it('is written whole or not at all', () => {
    const folder = mkdtempSync(join(tmpdir(), 'recording-'))
    try {
      const path = join(folder, 'record.jsonl')
      writeRecordFile(path, recordOf(run()))
      assert.equal(parseRecord(readFileSync(path, 'utf8')).header.complete, true)
      assert.throws(() => writeRecordFile(join(folder, 'missing', 'record'), recordOf(run())), {
        code: 'RECORD_NOT_WRITTEN',
      })
      assert.deepEqual(readdirSync(folder), ['record.jsonl'])
    } finally {
      rmSync(folder, { recursive: true })
    }
  })

  it('is written beside what a killed process of the same number has left', () => {
    const folder = mkdtempSync(join(tmpdir(), 'recording-'))
    try {
      const path = join(folder, 'record')
      writeFileSync(`${path}.${process.pid}.partial`, 'half')
      writeRecordFile(path, recordOf(run()))
      assert.equal(parseRecord(readFileSync(path, 'utf8')).header.complete, true)
    } finally {
      rmSync(folder, { recursive: true })
    }
  })

  it('leaves links and pipes as they are, and writes what they lead to', () => {
    const folder = mkdtempSync(join(tmpdir(), 'recording-'))
    const at = (name: string) => join(folder, name)
    try {
      writeFileSync(at('record'), 'older')
      symlinkSync('record', at('link'))
      writeRecordFile(at('link'), recordOf(run()))
      assert.equal(readlinkSync(at('link')), 'record')
      const text = readFileSync(at('record'), 'utf8')
      assert.equal(parseRecord(text).header.complete, true)

      execFileSync('mkfifo', [at('pipe')])
      // Open for both, so that the writer does not wait; a pipe holds a page at least.
      const pipe = openSync(at('pipe'), 'r+')
      writeRecordFile(at('pipe'), recordOf(run()))
      const bytes = Buffer.alloc(4096)
      assert.equal(bytes.toString('utf8', 0, readSync(pipe, bytes)), text)
      closeSync(pipe)
      assert.ok(lstatSync(at('pipe')).isFIFO())
      assert.deepEqual(readdirSync(folder).sort(), ['link', 'pipe', 'record'])
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
})
