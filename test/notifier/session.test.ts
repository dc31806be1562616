import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import type { AccessBatch, FileAccess } from '../../native/access-batch.ts'
import type { MarkEvents } from '../../native/fanotify.ts'
import { NativeError } from '../../native/system-error.ts'
import { type FileWatch, Session } from '../../notifier/session.ts'
import { Connection } from '../../shared/connection.ts'
import {
  decodeFromNotifier,
  decodeFromOptimizer,
  type FromNotifier,
  type FromOptimizer,
} from '../../shared/messages.ts'
import { accessBatch } from '../helpers/access-batch.ts'
import { OPTIMIZER_HELLO } from '../helpers/protocol-client.ts'

/** A kernel that we feed. Each element of `queue` is what one read returns. */
class FakeWatch implements FileWatch {
  readonly done: string[] = []
  readonly queue: FileAccess[][] = []
  markError: Error | undefined
  #onReadable: (() => void) | undefined
  readonly counters = {
    read: 9,
    merged: 1,
    overflows: 2,
    descriptorErrors: 3,
    unresolved: 4,
    deleted: 5,
    ignoredOwn: 6,
  }

  mark(kind: string, path: Buffer, { reads }: MarkEvents): void {
    if (this.markError) throw this.markError
    this.done.push(`mark ${kind} ${path}${reads ? ' reads' : ''}`)
  }
  markMountOfRoot(pid: number, { reads }: MarkEvents): void {
    this.done.push(`mark root of ${pid}${reads ? ' reads' : ''}`)
  }
  read(): AccessBatch | null {
    const accesses = this.queue.shift()
    return accesses === undefined ? null : accessBatch(accesses)
  }
  onceReadable(callback: () => void): void {
    this.#onReadable = callback
    this.#wake()
  }
  forgetSeen(): void {
    this.done.push('forgetSeen')
  }
  close(): void {
    this.done.push('close')
  }
  /** An event arrives, and the event loop tells. */
  arrive(...paths: string[]): void {
    this.queue.push(paths.map(fileAccess))
    this.#wake()
  }
  #wake(): void {
    const callback = this.#onReadable
    if (callback === undefined || this.queue.length === 0) return
    this.#onReadable = undefined
    setImmediate(callback)
  }
}

function fileAccess(path: string): FileAccess {
  const readMicroseconds = Number(process.hrtime.bigint() / 1000n)
  return { path: Buffer.from(path), kinds: 1, pid: 7, readMicroseconds, sizeBytes: 3, command: null }
}

async function openSession(watch: FakeWatch) {
  const folder = mkdtempSync(join(tmpdir(), 'optimizer-session-'))
  const server = createServer()
  const path = join(folder, 'socket')
  await once(server.listen(path), 'listening')
  const socket = connect(path)
  const [far] = (await once(server, 'connection')) as [Socket]
  server.close()
  rmSync(folder, { recursive: true })
  const notifier = new Connection<FromOptimizer, FromNotifier>(far, decodeFromOptimizer)
  const ended = new Session(notifier, { program: 'n', capabilities: {}, group: watch }).run()
  // Some tests look at the end only later.
  ended.catch(() => undefined)
  const optimizer = new Connection<FromNotifier, FromOptimizer>(socket, decodeFromNotifier)
  return { socket, optimizer, ended, messages: optimizer.messages() }
}

/** One line per message; accesses as their paths and phases. */
function show(message: FromNotifier): string {
  if (message.type !== 'accesses') return message.type
  return `${message.sequence}: ${message.entries.map((entry) => `${entry.path} ${entry.phase}`).join(', ')}`
}

async function until(messages: AsyncGenerator<FromNotifier>, type: FromNotifier['type']): Promise<string[]> {
  const shown: string[] = []
  for (;;) {
    const { value } = await messages.next()
    assert.ok(value, `closed before ${type}, after ${shown.join('; ')}`)
    shown.push(show(value))
    if (value.type === type) return shown
  }
}

const MARK = { type: 'mark', kind: 'filesystem', path: Buffer.from('/r'), reason: 'test' } as const

describe('a session of the notifier', () => {
  it('goes from hello to stopped, with what was accessed in between in order', async () => {
    const watch = new FakeWatch()
    const { optimizer, messages, ended } = await openSession(watch)
    for (const message of [OPTIMIZER_HELLO, MARK]) await optimizer.send(message)
    assert.deepEqual(await until(messages, 'marked'), ['hello', 'marked'])
    watch.arrive('/early')
    watch.queue.push([fileAccess('/early2')])
    await optimizer.send({ type: 'started' })
    assert.deepEqual(await until(messages, 'started'), ['0: /early 0, /early2 0', 'started'])
    assert.deepEqual(watch.done, ['mark filesystem /r', 'forgetSeen'])
    watch.arrive('/a', '/b')
    assert.deepEqual(await until(messages, 'accesses'), ['1: /a 1, /b 1'])
    watch.queue.push([fileAccess('/c')], [], [fileAccess('/d')])
    await optimizer.send({ type: 'flush' })
    assert.deepEqual(await until(messages, 'flushed'), ['2: /c 1', '3: /d 1', 'flushed'])
    await optimizer.send({ type: 'stop' })
    assert.deepEqual(await until(messages, 'stopped'), ['stopped'])
    await ended
    assert.equal(watch.done.at(-1), 'close')
  })

  it('counts what it sent beside what the kernel side counts', async () => {
    const watch = new FakeWatch()
    const { optimizer, messages } = await openSession(watch)
    for (const message of [OPTIMIZER_HELLO, MARK]) await optimizer.send(message)
    await until(messages, 'marked')
    watch.queue.push([fileAccess('/a'), fileAccess('/b')])
    await optimizer.send({ type: 'stop' })
    for (;;) {
      const { value } = await messages.next()
      if (value?.type !== 'stopped') continue
      assert.deepEqual(value.counters, { ...watch.counters, sent: 2 })
      assert.deepEqual(Object.keys(value.counters), [
        'read',
        'merged',
        'sent',
        'overflows',
        'descriptorErrors',
        'unresolved',
        'deleted',
        'ignoredOwn',
      ])
      break
    }
  })

  it('takes a flush without "started" for the zero of time', async () => {
    const watch = new FakeWatch()
    const { optimizer, messages } = await openSession(watch)
    for (const message of [OPTIMIZER_HELLO, MARK]) await optimizer.send(message)
    await until(messages, 'marked')
    watch.queue.push([fileAccess('/a')])
    await optimizer.send({ type: 'flush' })
    assert.deepEqual(await until(messages, 'flushed'), ['0: /a 0', 'flushed'])
    watch.arrive('/b')
    assert.deepEqual(await until(messages, 'accesses'), ['1: /b 1'])
    await optimizer.close()
  })

  it('marks the root of a process by its number', async () => {
    const watch = new FakeWatch()
    const { optimizer, messages } = await openSession(watch)
    await optimizer.send(OPTIMIZER_HELLO)
    await optimizer.send({ type: 'mark', kind: 'mount', rootPid: 42, reason: 'test' })
    await until(messages, 'marked')
    assert.deepEqual(watch.done, ['mark root of 42'])
    await optimizer.close()
  })

  it('asks for evidence of reading where the mark does', async () => {
    for (const [reads, done] of [
      [true, 'mark root of 42 reads'],
      [false, 'mark root of 42'],
    ] as const) {
      const watch = new FakeWatch()
      const { optimizer, messages } = await openSession(watch)
      await optimizer.send(OPTIMIZER_HELLO)
      await optimizer.send({ type: 'mark', kind: 'mount', rootPid: 42, reason: 'test', reads })
      await until(messages, 'marked')
      assert.deepEqual(watch.done, [done])
      await optimizer.close()
    }
  })

  it('ends in peace when the optimizer is gone', async () => {
    for (const messages of [[], [OPTIMIZER_HELLO], [OPTIMIZER_HELLO, MARK]]) {
      const watch = new FakeWatch()
      const { optimizer, ended } = await openSession(watch)
      for (const message of messages) await optimizer.send(message)
      await optimizer.close()
      await ended
      assert.equal(watch.done.at(-1), 'close')
    }
  })

  it('ends when the optimizer tells of an error', async () => {
    const { optimizer, ended } = await openSession(new FakeWatch())
    await optimizer.send(OPTIMIZER_HELLO)
    await optimizer.send({ type: 'error', code: 'C', stage: 's', message: 'm' })
    await ended
  })

  it('tells of a failed mark with the step and the errno', async () => {
    const watch = new FakeWatch()
    const cause = Object.assign(new Error('EXDEV'), { code: 'EXDEV', errno: -18, syscall: 'fanotify_mark' })
    watch.markError = new NativeError('MARK_FAILED', 'cannot mark /r: EXDEV', cause)
    const { optimizer, messages, ended } = await openSession(watch)
    for (const message of [OPTIMIZER_HELLO, MARK]) await optimizer.send(message)
    await messages.next()
    assert.deepEqual((await messages.next()).value, {
      type: 'error',
      code: 'MARK_FAILED',
      stage: 'fanotify_mark',
      message: 'cannot mark /r: EXDEV',
      errno: 18,
    })
    await assert.rejects(ended, { code: 'MARK_FAILED' })
  })

  const misuses: [string, FromOptimizer[], RegExp][] = [
    ['anything before hello', [MARK], /"mark" before "hello"/],
    ['a second hello', [OPTIMIZER_HELLO, OPTIMIZER_HELLO], /"hello" after the first/],
    ['a second mark', [OPTIMIZER_HELLO, MARK, MARK], /"mark" after "mark"/],
    ['started without a mark', [OPTIMIZER_HELLO, { type: 'started' }], /"started" before "mark"/],
    [
      'started twice',
      [OPTIMIZER_HELLO, MARK, { type: 'started' }, { type: 'started' }],
      /"started" after "started"/,
    ],
    [
      'another major version',
      [{ ...OPTIMIZER_HELLO, version: { major: 2, minor: 0 } }],
      /protocol 2\.0.*1\.1/,
    ],
  ]
  for (const [name, sent, pattern] of misuses) {
    it(`refuses ${name}, with the reason`, async () => {
      const { optimizer, messages, ended } = await openSession(new FakeWatch())
      for (const message of sent) await optimizer.send(message)
      for (;;) {
        const { value } = await messages.next()
        assert.ok(value, 'closed without a reason')
        if (value.type !== 'error') continue
        assert.match(value.message, pattern)
        break
      }
      await assert.rejects(ended, pattern)
    })
  }

  it('refuses garbage, with the reason', async () => {
    const { socket, messages, ended } = await openSession(new FakeWatch())
    socket.write(Buffer.from([0xff, 0xff, 0xff, 0xff]))
    await messages.next()
    const { value } = await messages.next()
    assert.equal(value?.type === 'error' && value.code, 'FRAME_TOO_LARGE')
    await assert.rejects(ended, { code: 'FRAME_TOO_LARGE' })
  })
})
