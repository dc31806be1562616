import assert from 'node:assert/strict'
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { launcherPath } from '../../native/addon.ts'
import { NotifierError, NotifierProcess } from '../../optimizer/workload/notifier-process.ts'
import { encodeFrame } from '../../shared/frame.ts'
import { SILENT_LOG } from '../../shared/log.ts'
import { encodeMessage } from '../../shared/messages.ts'
import { skipWithoutFanotify } from '../helpers/privilege.ts'
import { OPTIMIZER_HELLO, ProtocolClient } from '../helpers/protocol-client.ts'

const SPAWNER = fileURLToPath(new URL('../helpers/spawn-notifier.js', import.meta.url))

/** Gone, or a zombie that an init which does not reap has left. */
function hasEnded(pid: number): boolean {
  try {
    return /^\d+ \(.*\) Z /s.test(readFileSync(`/proc/${pid}/stat`, 'latin1'))
  } catch {
    return true
  }
}

async function waitUntilEnded(pid: number): Promise<void> {
  const deadline = performance.now() + 60_000
  while (!hasEnded(pid)) {
    assert.ok(performance.now() < deadline, `process ${pid} still runs`)
    await delay(5)
  }
}

function rejectsWith(code: string, pattern: RegExp) {
  return (error: unknown) => {
    assert.ok(error instanceof NotifierError, String(error))
    assert.equal(error.code, code)
    assert.match(error.message, pattern)
    return true
  }
}

describe('the life of a notifier', { skip: skipWithoutFanotify() }, () => {
  it('ends when the optimizer is killed', async () => {
    const optimizer: ChildProcess = spawn(process.execPath, [SPAWNER], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    assert.ok(optimizer.stdout)
    const [line] = await once(optimizer.stdout, 'data')
    const pid = Number(line)
    assert.ok(!hasEnded(pid))
    optimizer.kill('SIGKILL')
    await waitUntilEnded(pid)
  })

  it('ends with status 0 when the socket is closed', async () => {
    const client = await ProtocolClient.start()
    await client.send(OPTIMIZER_HELLO)
    await client.until('hello')
    client.socket.end()
    assert.deepEqual(await client.ended(), { code: 0, signal: null })
    assert.equal(client.stderr, '')
  })

  it('ends with status 0 after stop, with its counters', async () => {
    const notifier = await NotifierProcess.spawn({ log: SILENT_LOG })
    const counters = await notifier.stop()
    assert.equal(counters.sent, 0)
    assert.deepEqual(await notifier.ended, { code: 0, signal: null, stderrTail: '' })
  })

  it('does not end by SIGINT', async () => {
    const notifier = await NotifierProcess.spawn({ log: SILENT_LOG })
    process.kill(notifier.pid, 'SIGINT')
    await notifier.stop()
  })

  it('can be killed twice', async () => {
    const notifier = await NotifierProcess.spawn({ log: SILENT_LOG })
    await notifier.kill()
    await notifier.kill()
    assert.ok(hasEnded(notifier.pid))
  })

  it('is ended with the program that has started it, where --notifier names such a one', {
    timeout: 20_000,
  }, async () => {
    const folder = mkdtempSync(join(tmpdir(), 'notifier-lifetime-'))
    const command = join(folder, 'starter')
    const bin = fileURLToPath(new URL('../../../bin/notifier', import.meta.url))
    // No exec: the shell stays, and waits.
    writeFileSync(command, `#!/bin/sh\n'${process.execPath}' '${bin}' "$@"\nexit $?\n`, { mode: 0o755 })
    const notifier = await NotifierProcess.spawn({ log: SILENT_LOG, command })
    await notifier.kill()
    assert.ok(hasEnded(notifier.pid))
    await waitUntilEnded(notifier.hello.pid)
    rmSync(folder, { recursive: true })
  })

  it('refuses a mark of what is not there, naming the step and the errno', async () => {
    const notifier = await NotifierProcess.spawn({ log: SILENT_LOG })
    const mark = notifier.mark({ kind: 'filesystem', path: Buffer.from('/no/such/folder'), reason: 'test' })
    await assert.rejects(mark, (error) => {
      rejectsWith('NOTIFIER_FAILED', /cannot mark the filesystem of \/no\/such\/folder: ENOENT/)(error)
      assert.equal((error as NotifierError).reported?.errno, 2)
      assert.equal((error as NotifierError).reported?.stage, 'open')
      return true
    })
    await notifier.ended
  })

  it('that is cut short rejects what is asked of it, and everything after, with how it ended', async () => {
    const notifier = await NotifierProcess.spawn({ log: SILENT_LOG })
    process.kill(notifier.pid, 'SIGSTOP')
    const flush = notifier.flush()
    process.kill(notifier.pid, 'SIGKILL')
    await assert.rejects(flush, rejectsWith('NOTIFIER_DIED', /ended by SIGKILL before "flushed"/))
    await assert.rejects(notifier.stop(), rejectsWith('NOTIFIER_DIED', /SIGKILL/))
    assert.equal((await notifier.ended).signal, 'SIGKILL')
  })

  it('ends when the signal given to spawn is aborted, with its reason', async () => {
    const abort = new AbortController()
    const notifier = await NotifierProcess.spawn({ log: SILENT_LOG, signal: abort.signal })
    process.kill(notifier.pid, 'SIGSTOP')
    const flush = notifier.flush()
    abort.abort(new Error('enough'))
    await assert.rejects(flush, /enough/)
    await notifier.ended
    await assert.rejects(NotifierProcess.spawn({ log: SILENT_LOG, signal: abort.signal }), /enough/)
  })

  it('ends with status 3 and the path when nobody listens at the socket', () => {
    const bin = fileURLToPath(new URL('../../../bin/notifier', import.meta.url))
    const args = [bin, '--socket', '/no/such/folder/socket']
    const { status, stderr, stdout } = spawnSync(process.execPath, args, { encoding: 'utf8' })
    assert.deepEqual([status, stdout], [3, ''])
    assert.match(stderr, /^notifier: .*\/no\/such\/folder\/socket: ENOENT.* \[SOCKET_UNREACHABLE\]\n$/)
  })

  it('ends with status 2 and one sentence when there is no optimizer', () => {
    for (const args of [
      ['--fd', '0'],
      ['--fd', 'x'],
      ['--fd', '3', '--socket', 'x'],
      ['--fd=3', '--what'],
    ]) {
      const bin = fileURLToPath(new URL('../../../bin/notifier', import.meta.url))
      const { status, stderr, stdout } = spawnSync(process.execPath, [bin, ...args], { encoding: 'utf8' })
      assert.equal(status, 2, args.join(' '))
      assert.match(
        stderr,
        /^notifier: .*write --fd <number> or --socket <path> of a socket to the optimizer, and nothing else \[USAGE\]\n$/,
      )
      assert.equal(stdout, '')
    }
  })
})

describe('a program that is no notifier', { skip: skipWithoutFanotify() }, () => {
  let folder: string
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'optimizer-entry-'))
  })
  after(() => rmSync(folder, { recursive: true }))

  function spawnEntry(code: string, answerSeconds = 10): Promise<NotifierProcess> {
    const entry = join(folder, 'entry.cjs')
    writeFileSync(entry, `const socket = new (require('node:net').Socket)({ fd: 3 })\n${code}`)
    return NotifierProcess.spawn({ log: SILENT_LOG, entry, answerSeconds })
  }

  it('and ends without a word is refused with its status and the end of its stderr', async () => {
    const spawned = spawnEntry('console.error("nothing here"); process.exit(7)')
    await assert.rejects(
      spawned,
      rejectsWith('NOTIFIER_DIED', /with status 7 before "hello"; it said: nothing here/),
    )
  })

  it('and never answers is refused after the deadline', async () => {
    await assert.rejects(spawnEntry('', 0.5), rejectsWith('NOTIFIER_SILENT', /"hello" within 0.5 s/))
  })

  it('and writes something else is refused', async () => {
    await assert.rejects(spawnEntry('socket.write("HTTP/1.1 200 OK")'), /a frame announces 1213486160 bytes/)
  })

  it('and speaks another major version is refused, naming both', async () => {
    const hello = { ...OPTIMIZER_HELLO, program: 'notifier 9', version: { major: 2, minor: 0 } }
    const frame = encodeFrame(encodeMessage(hello)).toString('base64')
    await assert.rejects(
      spawnEntry(`socket.write(Buffer.from("${frame}", "base64")); socket.resume()`),
      /notifier 9 speaks protocol 2\.0, this side speaks 1\.1/,
    )
  })
})

describe('the launcher', { skip: skipWithoutFanotify() }, () => {
  function launch(args: string[]) {
    return spawnSync(launcherPath(), args, { encoding: 'utf8' })
  }

  it('refuses wrong arguments with status 82', () => {
    for (const args of [[], ['1'], ['x', '/bin/true'], ['0', '/bin/true']])
      assert.equal(launch(args).status, 82)
  })

  it('ends when its parent is another by now', () => {
    const { status, stderr } = launch(['1', '/bin/true'])
    assert.deepEqual([status, stderr], [81, 'getppid 3 No such process\n'])
  })

  it('names the step that failed and its errno', () => {
    const { status, stderr } = launch([String(process.pid), '/no/such/program'])
    assert.deepEqual([status, stderr], [81, 'execv 2 No such file or directory\n'])
  })

  it('says that it needs privilege', () => {
    const { status, stderr } = spawnSync(
      'setpriv',
      ['--bounding-set=-sys_admin', launcherPath(), String(process.pid), '/bin/true'],
      { encoding: 'utf8' },
    )
    assert.deepEqual([status, stderr], [81, 'unshare 1 Operation not permitted\n'])
  })

  it('gives the program a root of its own where the kernel lets it', () => {
    const { stdout } = launch([
      String(process.pid),
      '/bin/sh',
      '-c',
      'echo $HOTLAYER_ROOT; readlink /proc/self/ns/mnt',
    ])
    assert.match(stdout, /^own\nmnt:\[\d+\]\n$/)
  })
})
