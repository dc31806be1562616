/** A workload's stdin and terminal, as a person has them at the command line. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, before, describe, it } from 'node:test'
import { parseRecord } from '../../shared/record.ts'
import { busyboxFiles, putImage } from '../helpers/busybox-image.ts'
import { skipWithoutContainerd } from '../helpers/containerd.ts'
import { finished, OptimizerBench } from '../helpers/optimizer-bench.ts'
import { skipWithoutFanotify } from '../helpers/privilege.ts'

const OPTIMIZER = join(import.meta.dirname, '../../../bin/optimizer')

/**
 * A person at a terminal: runs a command on it, waits for what is expected, and does something about it. Prints what
 * was to be seen, then the command's status and whether the terminal's mode is what it was.
 */
const PERSON = `
import fcntl, json, os, pty, signal, struct, sys, termios, time
steps, command = json.loads(sys.argv[1]), sys.argv[2:]
terminal, side = pty.openpty()
def resize(rows, columns): fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
resize(33, 101)
before = termios.tcgetattr(side)
report, reporter = os.pipe()
held, holder = os.pipe()
if os.fork() == 0:
  # In place of a shell, which owns the terminal and outlives the command.
  os.close(holder)
  os.setsid()
  fcntl.ioctl(side, termios.TIOCSCTTY, 0)
  signal.signal(signal.SIGINT, signal.SIG_IGN)
  pid = os.fork()
  if pid == 0:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.dup2(side, 0)
    os.dup2(side, 2)
    os.execv(command[0], command)
  os.write(reporter, b"%d " % pid)
  os.write(reporter, b"%d " % os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
  os.read(held, 1)
  os._exit(0)
pid = int(os.read(report, 16))
os.set_blocking(report, False)
os.set_blocking(terminal, False)
seen, at, status, deadline = b"", 0, None, time.monotonic() + 30
while status is None:
  try: seen += os.read(terminal, 4096)
  except BlockingIOError:
    try: status = int(os.read(report, 16))
    except BlockingIOError: time.sleep(0.01)
    if time.monotonic() > deadline: os.kill(pid, signal.SIGTERM)
  if steps and seen.find(steps[0][0].encode(), at) >= 0:
    expected, action, value = steps.pop(0)
    at = seen.find(expected.encode(), at) + len(expected)
    if action == "type": os.write(terminal, value.encode())
    if action == "resize": resize(*value)
    if action == "signal": os.kill(pid, getattr(signal, value))
# Who gives the mode back is another process when the command was killed.
deadline = time.monotonic() + 5
while termios.tcgetattr(side) != before and time.monotonic() < deadline: time.sleep(0.01)
print(json.dumps({"seen": seen.decode("latin1"), "status": status, "restored": termios.tcgetattr(side) == before}))
`

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

  function atTerminal(steps: [expected: string, action: string, value: unknown][], args: string[]) {
    const { address, namespace } = bench.containerd.daemon
    const env = { ...process.env, CONTAINERD_ADDRESS: address, CONTAINERD_NAMESPACE: namespace }
    const command = [process.execPath, OPTIMIZER, 'record', 'source', ...args]
    const person = spawnSync('python3', ['-c', PERSON, JSON.stringify(steps), ...command], {
      env,
      encoding: 'utf8',
      timeout: 60_000,
    })
    const lines = person.stdout.split('\n').filter((line) => line !== '')
    const { seen, status, restored } = JSON.parse(lines.pop() ?? '{}')
    return {
      seen: String(seen).replaceAll('\r', ''),
      status,
      restored,
      stdout: lines.join('\n'),
      stderr: person.stderr,
    }
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
