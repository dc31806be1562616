/** `optimizer record` as users run it: what it prints, writes, refuses, and how it is ended. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, before, describe, it } from 'node:test'
import type { DryRun } from '../../optimizer/dry-run.ts'
import type { RecordResult } from '../../optimizer/record-only.ts'
import { type AccessRecord, parseRecord } from '../../shared/record.ts'
import { busyboxFiles, putImage } from '../helpers/busybox-image.ts'
import { skipWithoutContainerd } from '../helpers/containerd.ts'
import { type Finished, finished, OptimizerBench, says } from '../helpers/optimizer-bench.ts'
import { skipWithoutFanotify } from '../helpers/privilege.ts'

const shell = (script: string) => ['--entrypoint', JSON.stringify(['/bin/sh', '-c', script])]
const READING = 'cat /data/a; echo reading'

describe('optimizer record', { skip: skipWithoutContainerd() || skipWithoutFanotify() }, () => {
  let bench: OptimizerBench
  let folder: string
  before(async () => {
    bench = await OptimizerBench.open()
    folder = mkdtempSync(join(tmpdir(), 'record-command-'))
    const layers = [busyboxFiles(), { 'data/': '', 'data/a': 'a\n', 'data/b': 'b\n' }]
    await bench.withStores((stores) => putImage(stores, 'source', layers, { Env: ['PATH=/bin'] }))
  })
  after(async () => {
    await bench?.close()
    rmSync(folder, { recursive: true })
  })
  afterEach(async () => assert.deepEqual(await bench.leftovers(), []))

  const record = (args: string[], environment: Record<string, string> = {}) =>
    bench.runHere(['record', 'source', ...args], environment)
  const out = () => join(folder, 'record.jsonl')
  const paths = ({ entries }: AccessRecord) =>
    entries.filter(({ phase }) => phase === 'run').map(({ path }) => path.toString())

  function succeeded({ code, stderr }: Finished): void {
    assert.equal(code, 0, stderr)
  }

  it('prints the record', async () => {
    const done = await bench.run(['record', 'source', ...shell(READING)])
    succeeded(done)
    const printed = parseRecord(done.stdout)
    assert.deepEqual(paths(printed), ['bin/busybox', 'data/a'])
    assert.equal(printed.header.complete, true)
    assert.equal(printed.header.image?.reference, 'source')
    assert.deepEqual(printed.header.stop, {
      rule: 'exit',
      reason: 'the workload ended with status 0',
      readySeconds: null,
    })
    assert.match(done.stderr, /mark: filesystem \(the root is an overlay/)
  })

  it('tells what would run, and runs nothing', async () => {
    const words = [...shell('exit 7'), '--user', 'web', '--memory', '64m', '--ready-tcp', 'localhost:80']
    const done = await record([...words, '--dry-run'], { PATH: '/nowhere' })
    succeeded(done)
    const { process, stop, mark, spec, decidedByTheRun } = JSON.parse(done.stdout) as DryRun
    assert.deepEqual(process, {
      args: ['/bin/sh', '-c', 'exit 7'],
      env: ['PATH=/bin'],
      cwd: '/',
      user: 'web',
    })
    assert.deepEqual(stop.ready, [{ rule: 'ready-tcp', value: 'localhost:80' }])
    assert.equal(stop.boundSeconds, 120)
    assert.equal(mark.kind, 'filesystem')
    assert.deepEqual((spec.linux as { resources: { memory: object } }).resources.memory, { limit: 67108864 })
    assert.ok(decidedByTheRun.includes('process.user'))
    assert.equal(done.stderr, '')
  })

  it('writes it to a file, with a result document on stdout, and keeps no layer anywhere', async () => {
    // A layer kept aside would be kept there.
    const done = await record(['--json', '--record-out', out(), ...shell(READING)], {
      TMPDIR: '/nonexistent',
    })
    succeeded(done)
    const result: RecordResult = JSON.parse(done.stdout)
    const written = parseRecord(readFileSync(out(), 'utf8'))
    assert.equal(result.schemaVersion, 1)
    assert.equal(result.recordOut, out())
    assert.equal(result.record.files, new Set(written.entries.map(({ path }) => String(path))).size)
    assert.deepEqual(result.record.counters, written.header.counters)
    assert.deepEqual(result.record.stop, written.header.stop)
    assert.deepEqual(
      result.stages.map(({ name }) => name),
      ['resolve', 'unpack', 'record', 'read layers'],
    )
  })

  it('tells what was read from what was only opened, when asked to', async () => {
    const done = await record(['--record-reads', ...shell(': < /data/b; cat /data/a')])
    succeeded(done)
    const { header, entries } = parseRecord(done.stdout)
    const kinds = (path: string) =>
      entries.find((entry) => entry.phase === 'run' && String(entry.path) === path)?.kinds
    assert.equal(header.reads, true)
    assert.deepEqual(kinds('data/a'), ['open', 'read'])
    assert.deepEqual(kinds('data/b'), ['open'])
  })

  it('leaves out what was read before the start, when asked to, and counts that', async () => {
    const whole = parseRecord((await record(shell(READING))).stdout)
    const without = parseRecord((await record(['--no-create-phase', ...shell(READING)])).stdout)
    const create = whole.entries.filter(({ phase }) => phase === 'create').length
    assert.ok(create > 0, 'the runtime has read /etc/passwd')
    assert.equal(without.header.counters.createLeftOut, create)
    assert.ok(without.entries.every(({ phase }) => phase === 'run'))
  })

  it('marks the mount when told to, and nothing that would record the whole machine', async () => {
    const mount = await record(['--mark', 'mount', ...shell(READING)])
    succeeded(mount)
    const { header, entries } = parseRecord(mount.stdout)
    assert.deepEqual(header.mark, { kind: 'mount', reason: 'asked for with --mark' })
    assert.deepEqual(
      entries.map(({ path }) => path.toString()),
      ['bin/busybox', 'data/a'],
    )
    const machine = await record(['--mark', 'filesystem', '--snapshotter', 'native', ...shell(READING)])
    assert.equal(machine.code, 3)
    assert.match(machine.stderr, /MARK_UNSUITABLE/)
  })

  it('fails when the workload fails, and writes nothing, unless that is allowed', async () => {
    rmSync(out(), { force: true })
    const failing = ['--record-out', out(), ...shell('cat /data/a; exit 3')]
    assert.equal((await record(failing)).code, 4)
    assert.equal(existsSync(out()), false)
    succeeded(await record(['--allow-workload-failure', ...failing]))
    const { header, entries } = parseRecord(readFileSync(out(), 'utf8'))
    assert.equal(header.exitStatus, 3)
    assert.ok(entries.some(({ path }) => String(path) === 'data/a'))
  })

  it('fails when it is not ready in time', async () => {
    const args = ['--wait-on-line', 'never', '--period', '300ms', ...shell('echo no; sleep 1000')]
    const done = await record(args)
    assert.equal(done.code, 4)
    assert.match(
      done.stderr,
      /0\.3 s had passed before it was ready \(--wait-on-line: neither stream has said .*WORKLOAD_NOT_READY/s,
    )
  })

  it('refuses rules that contradict each other, before anything runs', async () => {
    // No containerd is asked: there is none at this address.
    const args = ['--address', '/nonexistent.sock', '--wait-on-signal', '--wait-on-line', 'x']
    const { code, stdout, stderr } = await record(args)
    assert.deepEqual([code, stdout], [2, ''], stderr)
  })

  describe('with --wait-on-signal', () => {
    /** Said when a SIGINT no longer interrupts; what the workload says may come before. */
    const WAITS = 'the workload runs until SIGINT'
    const args = ['record', 'source', '--wait-on-signal', ...shell(`${READING}; sleep 1000 & wait`)]

    it('ends the run at SIGINT, which is a success', async () => {
      const child = bench.spawn(args)
      const done = finished(child)
      await Promise.all([says(child, /\| reading/), says(child, new RegExp(WAITS))])
      child.kill('SIGINT')
      succeeded(await done)
      const { header } = parseRecord((await done).stdout)
      assert.deepEqual([header.stop.rule, header.stop.reason], ['wait-on-signal', 'SIGINT came'])
    })

    it('does so on a terminal at Ctrl-C', { timeout: 300_000 }, async () => {
      const { address, namespace } = bench.containerd.daemon
      const command = [process.execPath, join(import.meta.dirname, '../../../bin/optimizer'), ...args]
      const words = [...command, '--record-out', out()].map((word) => `'${word}'`)
      // A shell that stays (dash does) would die of the same Ctrl-C, and its status be the answer.
      const quoted = `exec ${words.join(' ')}`
      const env = { ...process.env, CONTAINERD_ADDRESS: address, CONTAINERD_NAMESPACE: namespace }
      const terminal = spawn('script', ['--quiet', '--return', '--flush', '--command', quoted, '/dev/null'], {
        env,
        stdio: ['pipe', 'pipe', 'inherit'],
      })
      let said = ''
      const exit = once(terminal, 'exit')
      await new Promise<void>((resolve, reject) => {
        exit.then(() => reject(new Error(`it ended before it was asked to:\n${said}`)), reject)
        terminal.stdout.setEncoding('utf8').on('data', (text: string) => {
          said += text
          if (said.includes('| reading') && said.includes(WAITS)) resolve()
        })
      })
      terminal.stdin.write('\x03')
      const [code] = await exit
      assert.equal(code, 0, said)
      assert.equal(parseRecord(readFileSync(out(), 'utf8')).header.stop.rule, 'wait-on-signal')
    })

    it('is interrupted by a second SIGINT, and undoes everything', async () => {
      const stubborn = "trap '' TERM; cat /data/a; echo reading; while :; do sleep 0.05; done"
      const wait = ['--wait-on-signal', '--stop-timeout', '60s']
      const child = bench.spawn(['record', 'source', ...wait, ...shell(stubborn)])
      const done = finished(child)
      const stopping = says(child, /stopping the workload: SIGINT came/)
      await Promise.all([says(child, /\| reading/), says(child, new RegExp(WAITS))])
      child.kill('SIGINT')
      await stopping
      child.kill('SIGINT')
      const { code, stdout } = await done
      assert.deepEqual([code, stdout], [130, ''])
    })

    it('is interrupted by SIGTERM all the same', async () => {
      const child = bench.spawn(args)
      const done = finished(child)
      await says(child, /\| reading/)
      child.kill('SIGTERM')
      const { code, stdout } = await done
      assert.deepEqual([code, stdout], [130, ''])
    })
  })
})
