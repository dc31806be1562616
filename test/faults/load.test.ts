/** More files at once than anybody reads: all of them are recorded, or the loss is told. */
import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { type AccessRecord, parseRecord } from '../../shared/record.ts'
import { busyboxFiles, putImage } from '../helpers/busybox-image.ts'
import { skipWithoutContainerd } from '../helpers/containerd.ts'
import { finished, OptimizerBench, says } from '../helpers/optimizer-bench.ts'
import { skipWithoutFanotify } from '../helpers/privilege.ts'
import { probePath } from '../helpers/probe.ts'
import { notifierProgram, processesOf } from './fault-bench.ts'

const FILES = 20_000
const NOTIFIER = fileURLToPath(new URL('../../../bin/notifier', import.meta.url))
const BURST_SECONDS_MAX = 60

/** A group with the kernel's ordinary queue, of 16,384 events, where one without a limit was asked for. */
const LIMITED_QUEUE = `
#define _GNU_SOURCE
#include <dlfcn.h>
#include <sys/fanotify.h>
int fanotify_init(unsigned flags, unsigned event_flags) {
  int (*real)(unsigned, unsigned) = (int (*)(unsigned, unsigned))dlsym(RTLD_NEXT, "fanotify_init");
  return real(flags & ~FAN_UNLIMITED_QUEUE, event_flags);
}
`

interface Burst {
  code: number | null
  stderr: string
  record: AccessRecord
}

describe(`a burst of ${FILES} files`, { skip: skipWithoutContainerd() || skipWithoutFanotify() }, () => {
  let bench: OptimizerBench
  let folder: string
  before(async () => {
    bench = await OptimizerBench.open()
    folder = mkdtempSync(join(tmpdir(), 'optimizer-faults-'))
    const many = Object.fromEntries(Array.from({ length: FILES }, (_, number) => [`many/${number}`, '']))
    await bench.withStores((stores) =>
      putImage(
        stores,
        'many',
        [
          { ...busyboxFiles(), probe: readFileSync(probePath()) },
          { 'many/': '', ...many },
        ],
        {
          Env: ['PATH=/bin'],
        },
      ),
    )
  })
  after(async () => {
    await bench?.close()
    rmSync(folder, { recursive: true, force: true })
  })

  /** @param stalled called when the workload waits for its burst; gives who is stopped until that is over */
  async function burst(options: string[], stalled: (optimizer: ChildProcess) => number): Promise<Burst> {
    const recordPath = join(mkdtempSync(join(folder, 'run-')), 'record')
    const script =
      `echo started; while [ ! -e /go ]; do sleep 0.05; done; /probe burst /many ${FILES}; ` +
      // What it says ends it: said only when it was seen to be done.
      ': > /done; while [ ! -e /seen ]; do sleep 0.05; done; echo the burst is over; while :; do sleep 0.05; done'
    const rules = ['--wait-on-line', 'the burst is over', '--record-out', recordPath]
    const workload = ['--entrypoint', JSON.stringify(['sh', '-c', script])]
    const child = bench.spawn(['record', 'many', ...rules, ...workload, ...options])
    const end = finished(child)
    await says(child, /\| started/)
    const root = join('/proc', String(workloadPid(child)), 'root')
    const stopped = stalled(child)
    process.kill(stopped, 'SIGSTOP')
    writeFileSync(join(root, 'go'), '')
    const deadline = performance.now() + BURST_SECONDS_MAX * 1000
    while (!existsSync(join(root, 'done'))) {
      assert.ok(performance.now() < deadline, 'the burst does not end')
      await delay(20)
    }
    process.kill(stopped, 'SIGCONT')
    writeFileSync(join(root, 'seen'), '')
    const { code, stderr } = await end
    return { code, stderr, record: parseRecord(readFileSync(recordPath, 'utf8')) }
  }

  /** The one task of this optimizer: found by the run's id, which its notifier's socket has not. */
  function workloadPid(optimizer: ChildProcess): number {
    const listed = bench.tool('ctr', ['task', 'ls']).split('\n').slice(1)
    const running = listed
      .map((line) => line.trim().split(/\s+/))
      .filter(([, , state]) => state === 'RUNNING')
    assert.equal(running.length, 1, `one at a time, of ${optimizer.pid}`)
    return Number(running[0]?.[1])
  }

  function notifierPid(): number {
    const line = processesOf(bench).find(
      (text) => text.includes('bin/notifier') || text.includes('notifier/main'),
    )
    return Number(line?.split(' ')[1])
  }

  function hasAll({ code, stderr, record }: Burst): void {
    assert.equal(code, 0, stderr)
    assert.equal(record.header.complete, true)
    const paths = new Set(record.entries.map(({ path }) => path.toString()))
    const missing = Array.from({ length: FILES }, (_, number) => `many/${number}`).filter(
      (path) => !paths.has(path),
    )
    assert.deepEqual(missing, [])
  }

  it('is recorded whole when the optimizer does not read meanwhile', async () => {
    hasAll(await burst([], (optimizer) => optimizer.pid as number))
  })

  for (const limit of [64, 256]) {
    it(`is recorded whole by a notifier that may have ${limit} descriptors`, async () => {
      const limits = ['prlimit', `--nofile=${limit}:${limit}`, process.execPath, NOTIFIER]
      hasAll(await burst(['--notifier', notifierProgram(folder, limits)], notifierPid))
    })
  }

  it('is an incomplete record, status 5, where the kernel keeps fewer events', async () => {
    const source = join(folder, 'limited-queue.c')
    const library = join(folder, 'limited-queue.so')
    writeFileSync(source, LIMITED_QUEUE)
    execFileSync('gcc', ['-shared', '-fPIC', '-Wall', '-Werror', '-o', library, source, '-ldl'])
    const command = ['env', `LD_PRELOAD=${library}`, process.execPath, NOTIFIER]
    const { code, stderr, record } = await burst(
      ['--notifier', notifierProgram(folder, command)],
      notifierPid,
    )
    assert.equal(code, 5, stderr)
    assert.match(stderr, /overflow.*\[RECORD_INCOMPLETE\]$/m)
    assert.equal(record.header.complete, false)
    assert.ok(record.header.counters.overflows > 0)
    assert.deepEqual(await bench.leftovers(), [])
  })
})
