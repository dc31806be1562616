/** A clock that is set back and forth while the run goes on: whoever waits or measures uses another. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { parseRecord } from '../../shared/record.ts'
import { skipWithoutContainerd } from '../helpers/containerd.ts'
import { OptimizerBench } from '../helpers/optimizer-bench.ts'
import { skipWithoutFanotify } from '../helpers/privilege.ts'
import { putFreshImages } from './fault-bench.ts'

/**
 * The clock of the day is six hours ahead, right, or six hours behind, and jumps from one to the next every 100 ms; the
 * machine's own is left alone. The monotonic clocks are as they are. A lease of containerd ends at a time of day, 24
 * hours after it is made: one made by a clock that is a day behind has ended.
 */
const JUMPING_CLOCK = `
#define _GNU_SOURCE
#include <dlfcn.h>
#include <sys/time.h>
#include <time.h>
static int real_clock(clockid_t clock, struct timespec *at) {
  static int (*real)(clockid_t, struct timespec *);
  if (!real) real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
  return real(clock, at);
}
static time_t jump(void) {
  struct timespec now;
  real_clock(CLOCK_MONOTONIC, &now);
  long step = (now.tv_sec * 10 + now.tv_nsec / 100000000) % 3 - 1;
  return step * 21600;
}
int clock_gettime(clockid_t clock, struct timespec *at) {
  int result = real_clock(clock, at);
  if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) at->tv_sec += jump();
  return result;
}
int gettimeofday(struct timeval *restrict at, void *restrict zone) {
  struct timespec now;
  (void)zone;
  int result = clock_gettime(CLOCK_REALTIME, &now);
  at->tv_sec = now.tv_sec;
  at->tv_usec = now.tv_nsec / 1000;
  return result;
}
time_t time(time_t *at) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (at) *at = now.tv_sec;
  return now.tv_sec;
}
`

describe('a clock that jumps', { skip: skipWithoutContainerd() || skipWithoutFanotify() }, () => {
  let bench: OptimizerBench
  let folder: string
  let library: string
  before(async () => {
    bench = await OptimizerBench.open()
    await putFreshImages(bench, ['image'])
    folder = mkdtempSync(join(tmpdir(), 'optimizer-clock-'))
    const source = join(folder, 'clock.c')
    library = join(folder, 'clock.so')
    writeFileSync(source, JUMPING_CLOCK)
    execFileSync('gcc', ['-shared', '-fPIC', '-Wall', '-Werror', '-o', library, source, '-ldl'])
  })
  after(async () => {
    await bench?.close()
    rmSync(folder, { recursive: true, force: true })
  })

  it('is one that a program sees', () => {
    const script =
      'const seen = new Set(); const end = performance.now() + 60_000; while (seen.size < 3 && performance.now() < end) seen.add(Math.round(Date.now() / 36e5)); console.log(seen.size)'
    const environment = { ...process.env, LD_PRELOAD: library }
    const hours = execFileSync(process.execPath, ['-e', script], { encoding: 'utf8', env: environment })
    assert.equal(Number(hours), 3)
  })

  it('changes nothing: the period lasts as long, no deadline passes, the times of the record are in order', async () => {
    const script = 'for n in 1 2 3 4 5 6; do cat /data/file; sleep 0.2; cat /etc/passwd; done; sleep 60'
    const workload = ['--period', '2s', '--entrypoint', JSON.stringify(['sh', '-c', script])]
    const recordPath = join(folder, 'record')
    const begunAt = performance.now()
    const { code, stdout, stderr } = await bench.run(
      ['optimize', 'image', 'target', '--json', '--record-out', recordPath, ...workload],
      { LD_PRELOAD: library },
    )
    assert.equal(code, 0, stderr)
    const seconds = (performance.now() - begunAt) / 1000
    const { record, stages } = JSON.parse(stdout)
    assert.equal(record.stop.rule, 'period')
    assert.ok(record.durationSeconds >= 2 && record.durationSeconds < seconds, `${record.durationSeconds} s`)
    for (const { name, seconds: part } of stages) assert.ok(part >= 0 && part < seconds, `${name}: ${part} s`)
    const lines = parseRecord(readFileSync(recordPath, 'utf8')).entries
    const times = lines
      .filter(({ phase }) => phase === 'run')
      .map(({ firstAccessMicroseconds }) => firstAccessMicroseconds)
    assert.deepEqual(
      times,
      times.toSorted((a, b) => a - b),
    )
    assert.ok(times.every((time) => time >= 0 && time < seconds * 1e6))
    assert.deepEqual(await bench.leftovers(), [])
  })
})
