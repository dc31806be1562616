import assert from 'node:assert/strict'
import { once } from 'node:events'
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { Command } from '../../notifier/stand-alone/command.ts'
import { Overlay } from '../helpers/overlay.ts'
import { skipWithoutFanotify } from '../helpers/privilege.ts'
import { runNotifier, runShell, startNotifier } from '../helpers/stand-alone.ts'

/**
 * Mounts with type, options and propagation; their own numbers differ in every namespace. Those of other tests are
 * left out: they vanish in all namespaces when their folder is removed.
 */
function mountTable(mountinfo: string): string[] {
  return mountinfo
    .trim()
    .split('\n')
    .map((line) => line.split(' ').slice(2).join(' '))
    .filter((line) => !/ \/(?:run|tmp)\/\S+ /.test(line))
    .sort()
}

describe('the command of a stand-alone notifier', { skip: skipWithoutFanotify() }, () => {
  let folder: string
  let list: string

  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'notifier-command-'))
    list = join(folder, 'list')
  })
  after(() => rmSync(folder, { recursive: true }))

  it('gives its exit status', async () => {
    for (const status of [0, 200]) {
      const ended = await runNotifier(['--', '/bin/sh', '-c', `exit ${status}`])
      assert.deepEqual([ended.status, ended.signal], [status, null])
    }
  })

  it('gives the signal that ended it', async () => {
    for (const signal of ['KILL', 'INT']) {
      const ended = await runNotifier(['--summary', '--', '/bin/sh', '-c', `kill -${signal} $$`])
      assert.deepEqual([ended.status, ended.signal], [null, `SIG${signal}`])
      assert.match(ended.stderr, /by directory/)
    }
  })

  it('gives the signal of one that is killed before it begins', async () => {
    const command = await Command.prepare({ words: ['true'], root: undefined })
    process.kill(command.pid, 'SIGKILL')
    // Nothing else is done here meanwhile: when it is told to begin, nobody knows yet that it has ended.
    while (!/^State:\s*Z/m.test(readFileSync(`/proc/${command.pid}/status`, 'utf8')));
    command.begin()
    assert.deepEqual(await command.ended, {
      status: null,
      signal: 'SIGKILL',
      rule: 'exit',
      reason: 'the command ended by SIGKILL',
    })
  })

  it('that cannot be run is one sentence and the status of a shell', async () => {
    for (const [command, status, text] of [
      ['no-such-command', 127, 'No such file or directory'],
      ['/etc/passwd', 126, 'Permission denied'],
    ] as const) {
      const ended = await runNotifier(['--', command])
      assert.equal(ended.status, status)
      assert.equal(ended.stderr, `notifier: cannot run ${command}: ${text}\n`)
    }
  })

  it('has stdin, stdout and stderr as they are, and its words and environment byte for byte', async () => {
    const script = `printf 'in' | A=$(printf '\\377') $NODE $NOTIFIER -o ${list} -- /bin/sh -c \
      'cat; printf "%s" "$A$1" | od -An -tx1; echo err >&2' name "$(printf '\\376')" 'two words'`
    const { stdout, stderr, status } = await runShell(script)
    assert.deepEqual([status, stdout, stderr], [0, 'in ff fe\n', 'err\n'])
  })

  it('has a stderr that blocks, though the list goes there too', async () => {
    const { stderr } = await runNotifier(['--', '/usr/bin/head', '-c', '3000000', '/dev/zero'], {
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    assert.match(stderr, /head/)
    const script = `$NODE $NOTIFIER -- /bin/sh -c 'head -c 3000000 /dev/zero >&2' 2>&1 >/dev/null | (sleep 0.2; wc -c)`
    const all = Number((await runShell(script)).stdout)
    assert.ok(all > 3_000_000, `${all} bytes`)
  })

  it('gets what the machine has as mounts, and leaves them alone', async () => {
    // In a namespace of its own, since others mount on this machine too; shared, so that propagation is seen.
    const { stdout } =
      await runShell(`unshare --mount --propagation shared /bin/sh -c 'cat /proc/self/mountinfo; echo
      $NODE $NOTIFIER -o ${list} -- cat /proc/self/mountinfo; echo; cat /proc/self/mountinfo'`)
    const [before = '', inside = '', afterwards = ''] = stdout.split('\n\n').map((text) => text.trim())
    assert.match(before, / shared:\d+ /)
    assert.deepEqual(mountTable(inside), mountTable(before))
    assert.deepEqual(mountTable(afterwards), mountTable(before))
  })

  it('has our root and our working directory', async () => {
    const idOf = (path: string) => {
      const { dev, ino } = statSync(path)
      return `${dev}:${ino}\n`
    }
    const { stdout } = await runNotifier(['-o', list, '--', '/bin/sh', '-c', 'stat -c %d:%i / . && pwd'])
    assert.equal(stdout, `${idOf('/')}${idOf('.')}${process.cwd()}\n`)
  })

  it('runs in a working directory that has been removed, as without', async () => {
    const gone = join(folder, 'gone')
    const script = `mkdir ${gone}; cd ${gone}; rmdir ${gone}; $NODE $NOTIFIER -o ${list} -- /bin/echo ran`
    const { status, stdout, stderr } = await runShell(script)
    assert.deepEqual([status, stdout, stderr], [0, 'ran\n', ''])
    const refused = await runShell(script.replace(`-o ${list}`, '-o list'))
    assert.deepEqual([refused.status, refused.stdout], [3, ''])
    assert.match(refused.stderr, /working directory has been removed.*\[DIRECTORY_REMOVED\]\n$/)
  })

  it('is not run where /proc is missing or of other processes, or the path of --mount is not there', async () => {
    const run = '$NODE $NOTIFIER'
    for (const [script, status, pattern] of [
      [`unshare -m sh -c "umount -l /proc; ${run} -- echo ran"`, 3, /mount -t proc.*\[PROC_UNUSABLE\]\n$/],
      [`unshare -pf sh -c "${run} -- echo ran"`, 3, /mount -t proc.*\[PROC_UNUSABLE\]\n$/],
      [
        `${run} --mount /no/such -- echo ran`,
        2,
        /--mount \/no\/such: there is no such path \[OPTION_INVALID\]\n$/,
      ],
    ] as const) {
      const ended = await runShell(script)
      assert.deepEqual([ended.status, ended.stdout], [status, ''], script)
      assert.match(ended.stderr, pattern)
    }
  })

  it('is run without a word about mounts that lie under another one', async () => {
    const script = `unshare -m sh -c 'mount -t tmpfs x ${folder}; mkdir ${folder}/below; mount -t tmpfs x ${folder}/below
      mount -t tmpfs x ${folder}; cd /; : > ${folder}/file
      $NODE $NOTIFIER --format paths --include ${folder} -- cat ${folder}/file'`
    const { status, stderr } = await runShell(script)
    assert.deepEqual([status, stderr], [0, `${folder}/file\n`])
  })

  it('has the limit on descriptors that whoever started the notifier has', async () => {
    const script = 'ulimit -Sn 500; $NODE $NOTIFIER -o /dev/null -- /bin/sh -c "ulimit -Sn"'
    assert.equal((await runShell(script)).stdout, '500\n')
  })

  it('has no descriptor more than it would have without', async () => {
    const listing = `/bin/sh -c 'ls /proc/self/fd'`
    const { stdout } = await runShell(`${listing}; echo; $NODE $NOTIFIER -o ${list} -- ${listing}`)
    const [without, inside] = stdout.split('\n\n').map((text) => text.trim())
    assert.equal(inside, without)
  })

  it('may leave a daemon, which the notifier does not wait for', async () => {
    const fifo = join(folder, 'fifo')
    await runShell(`mkfifo ${fifo}`)
    const { child, ended } = startNotifier(
      ['-o', list, '--', '/bin/sh', '-c', `(cat ${fifo}; kill -0 $PPID) </dev/null >/dev/null 2>&1 & exit 7`],
      { stdio: ['ignore', 'ignore', 'ignore'] },
    )
    assert.equal((await once(child, 'exit'))[0], 7)
    await ended
    // It still waits there: this would block for ever without it.
    closeSync(openSync(fifo, 'w'))
  })

  it('gets the signals that are sent to the notifier', async () => {
    for (const signal of ['SIGTERM', 'SIGUSR1', 'SIGINT'] as const) {
      const script = `trap 'echo got; exit 9' ${signal.slice(3)}; echo ready; while :; do sleep 0.05; done`
      const { child, ended } = startNotifier(['-o', list, '--', '/bin/sh', '-c', script])
      await once(child.stdout as NonNullable<typeof child.stdout>, 'readable')
      child.kill(signal)
      const { status, stdout } = await ended
      assert.deepEqual([status, stdout], [9, 'ready\ngot\n'], signal)
    }
  })

  it('gets Ctrl-C from the terminal once, and the list is complete then', async () => {
    const script = `trap 'n=$((n+1))' INT; sleep 60; sleep 0.3; cat /dev/null; echo "$n times"; exit 3`
    // Not before the line of it is there: at a Ctrl-C the terminal throws away what it has not handed out yet.
    const terminal = `
import os, pty, sys
pid, terminal = pty.fork()
if pid == 0: os.execv(sys.argv[1], sys.argv[1:])
seen = b""
while True:
  try: data = os.read(terminal, 4096)
  except OSError: break
  if not data: break
  if b"/sleep" not in seen and b"/sleep" in seen + data: os.write(terminal, b"\\x03")
  seen += data
sys.stdout.buffer.write(seen)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))`
    const { status, stdout } = await runShell(
      `python3 -c '${terminal.replaceAll("'", "'\\''")}' $NODE $NOTIFIER -- /bin/sh -c '${script.replaceAll("'", "'\\''")}'`,
    )
    assert.match(stdout, /1 times/)
    assert.equal(status, 3)
    // A terminal gets colours; the last that the shell has started is in the list.
    assert.ok(stdout.includes('\x1b[32m') && stdout.includes('/cat'), stdout)
  })

  it('is not run without privilege; one sentence says which and how', async () => {
    const { stdout, stderr, status } = await runShell(
      `setpriv --bounding-set=-sys_admin --inh-caps=-sys_admin $NODE $NOTIFIER -- echo ran`,
    )
    assert.deepEqual([stdout, status], ['', 3])
    assert.match(stderr, /^notifier: .*CAP_SYS_ADMIN.*sudo notifier -- COMMAND.*\n$/)
  })

  it('goes on when nobody reads the list any more', async () => {
    const { stdout, status } = await runShell(
      `{ { $NODE $NOTIFIER -f paths -- /bin/sh -c 'cat /etc/passwd >/dev/null; echo done; exit 4' 2>&1 >&3; echo $? >&3; } | true; } 3>&1`,
    )
    assert.deepEqual([stdout, status], ['done\n4\n', 0])
  })

  it('is followed by an error when the list could not be written', async () => {
    const { stdout, stderr, status } = await runNotifier(['-o', '/dev/full', '--', '/bin/echo', 'ran'])
    assert.deepEqual([stdout, status], ['ran\n', 3])
    assert.match(
      stderr,
      /^notifier: the list could not be written to \/dev\/full: ENOSPC.*\[OUTPUT_FAILED\]\n$/,
    )
  })

  it('whose accesses are lost is named, and with --on-loss fail ends with status 5', async () => {
    const deeper = Array.from({ length: 17 }, () => 'd'.repeat(250)).flatMap((name) => [
      'mkdir',
      name,
      'chdir',
      name,
    ])
    for (const [options, status] of [
      [[], 0],
      [['--on-loss', 'fail'], 5],
    ] as const) {
      const overlay = new Overlay([{ a: '' }])
      const words = ['--root', overlay.merged, '-o', list, '--', '/probe', ...deeper, 'append', 'f']
      const ended = await runNotifier([...options, ...words])
      assert.equal(ended.status, status)
      assert.equal(
        ended.stderr,
        'notifier: warning: accesses are missing: the path of a file could not be read once\n',
      )
      overlay.remove()
    }
  })
})

describe('notifier --pid', { skip: skipWithoutFanotify() }, () => {
  it('refuses a process that has the mounts of the machine, with the reason', async () => {
    const { status, stderr } = await runNotifier(['--pid', String(process.pid)])
    assert.equal(status, 3)
    assert.match(
      stderr,
      /^notifier: process \d+ \(\S+\) has the mounts of this machine.*"notifier -- COMMAND".*\n$/,
    )
  })

  it('refuses a process that is not there', async () => {
    const { status, stderr } = await runNotifier(['--pid', '2147483647'])
    assert.deepEqual([status, stderr], [3, 'notifier: there is no process 2147483647 [PROCESS_MISSING]\n'])
  })
})
