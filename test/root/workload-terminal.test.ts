/** A workload's stdin and terminal, as a person has them at the command line. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, before, describe, it } from 'node:test'
import { parseRecord } from '../../shared/record.ts'
import { busyboxFiles, putImage } from '../helpers/busybox-image.ts'
import { skipWithoutContainerd } from '../helpers/containerd.ts'
import { finished, OptimizerBench } from '../helpers/optimizer-bench.ts'
import { skipWithoutFanotify } from '../helpers/privilege.ts'
import { runAtTerminal, type TerminalStep } from '../helpers/terminal.ts'

const OPTIMIZER = join(import.meta.dirname, '../../../bin/optimizer')

/** Tells its terminal's size, what it reads, and that Ctrl-C has come, until it is ended. */
const INTERACTIVE = `trap 'busybox stty size; echo resized' WINCH; trap 'echo got INT' INT
busybox stty size; echo ready; while :; do read line && cat "$line"; done`

describe('a workload', { skip: skipWithoutContainerd() || skipWithoutFanotify() }, () => {
  let bench: OptimizerBench
  let folder: string
  before(async () => {
    bench = await OptimizerBench.open()
    folder = mkdtempSync(join(tmpdir(), 'workload-terminal-'))
    const layers = [busyboxFiles(), { 'data/': '', 'data/a': 'this is a\n' }]
    await bench.withStores((stores) => putImage(stores, 'source', layers, { Env: ['PATH=/bin'] }))
  })
  after(async () => {
    await bench?.close()
    rmSync(folder, { recursive: true })
  })
  afterEach(async () => assert.deepEqual(await bench.leftovers(), []))

  const shell = (script: string) => ['--entrypoint', JSON.stringify(['/bin/sh', '-c', script])]

  function atTerminal(steps: TerminalStep[], args: string[]) {
    const { address, namespace } = bench.containerd.daemon
    const env = { ...process.env, CONTAINERD_ADDRESS: address, CONTAINERD_NAMESPACE: namespace }
    const command = [process.execPath, OPTIMIZER, 'record', 'source', ...args]
    const { seen, ...rest } = runAtTerminal(command, steps, { env })
    return { ...rest, seen: seen.replaceAll('\r', '') }
  }

  it('with --interactive reads the stdin of the command to its end, and without nothing', async () => {
    const args = ['record', 'source', ...shell('busybox tail -n 1')]
    const text = `${'x'.repeat(99_999)}\nthe end of it\n`
    for (const [options, said] of [
      [['-i'], true],
      [[], false],
    ] as const) {
      const child = bench.spawn([...args, ...options], {}, [], 'pipe')
      child.stdin?.on('error', () => {}).end(text)
      const { code, stderr } = await finished(child)
      assert.equal(code, 0, stderr)
      assert.equal(stderr.includes('| the end of it'), said, stderr)
    }
  })

  it('with a terminal has its size, its keys and Ctrl-C; the record is on stdout, and Ctrl-P Ctrl-Q ends it', () => {
    const { seen, status, restored, stdout, stderr } = atTerminal(
      [
        ['33 101\r\nready', 'resize', [44, 80]],
        ['44 80\r\nresized', 'type', '/data/a\r'],
        ['this is a', 'type', '\x03'],
        ['got INT', 'type', '\x10\x11'],
      ],
      ['-i', '-t', ...shell(INTERACTIVE)],
    )
    assert.deepEqual([status, restored], [0, true], `${seen}${stderr}`)
    assert.match(seen, /runs until SIGINT \(Ctrl-P Ctrl-Q\)\n/)
    const { header, entries } = parseRecord(stdout)
    assert.equal(header.stop.rule, 'wait-on-signal')
    assert.ok(entries.some(({ path }) => path.toString() === 'data/a'))
  })

  it('with a terminal alone shows its output there, and Ctrl-C is the command’s', () => {
    const args = [
      '--terminal',
      '--period',
      '60s',
      ...shell('[ -t 1 ] && [ -t 2 ] && busybox stty size; sleep 1000'),
    ]
    const { seen, status, restored, stdout } = atTerminal([['33 101', 'type', '\x03']], args)
    assert.deepEqual([status, restored, stdout], [130, true, ''], seen)
  })

  it('gives the terminal back when the command is killed', async () => {
    const { seen, status, restored } = atTerminal(
      [['ready', 'signal', 'SIGKILL']],
      ['-i', '-t', ...shell(INTERACTIVE)],
    )
    assert.deepEqual([status, restored], [-9, true], seen)
    const { code } = await bench.run(['clean'])
    assert.equal(code, 0)
  })

  it('needs a terminal for that: without one is told so, and nothing is run', async () => {
    const { code, stdout, stderr } = await bench.run(['record', 'source', '-t', ...shell('true')], {}, [
      'setsid',
      '-w',
    ])
    assert.deepEqual([code, stdout], [3, ''])
    assert.doesNotMatch(stderr, /unpack/)
    assert.match(
      stderr,
      /--terminal shows the workload on the terminal of this command.*\[TERMINAL_MISSING\]\n$/,
    )
  })
})
