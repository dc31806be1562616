/** An optimizer of version 1.0, by what it once sent, is answered as it was then. */
import assert from 'node:assert/strict'
import type { Socket } from 'node:net'
import { Duplex } from 'node:stream'
import { describe, it } from 'node:test'
import { type FileWatch, Session } from '../../notifier/session.ts'
import { Connection } from '../../shared/connection.ts'
import { decodeFrames } from '../../shared/frame.ts'
import {
  decodeFromNotifier,
  decodeFromOptimizer,
  type FromNotifier,
  type FromOptimizer,
} from '../../shared/messages.ts'
import { notifierMessages, recordedSessions } from '../helpers/recorded-sessions.ts'

const QUIET: FileWatch = {
  mark() {},
  markMountOfRoot() {},
  read: () => null,
  onceReadable() {},
  forgetSeen() {},
  close() {},
  counters: {
    read: 0,
    merged: 0,
    overflows: 0,
    descriptorErrors: 0,
    unresolved: 0,
    deleted: 0,
    ignoredOwn: 0,
  },
}

/** What a session says to this stream of bytes. */
async function answersTo(stream: Buffer): Promise<FromNotifier[]> {
  const written: Buffer[] = []
  const socket = new Duplex({
    read() {},
    write(piece: Buffer, _, done) {
      written.push(piece)
      done()
    },
  })
  socket.push(stream)
  const connection = new Connection<FromOptimizer, FromNotifier>(
    socket as unknown as Socket,
    decodeFromOptimizer,
  )
  await new Session(connection, { program: 'notifier', capabilities: {}, group: QUIET }).run()
  const answers: FromNotifier[] = []
  for await (const payload of decodeFrames(iterate(written)))
    answers.push(decodeFromNotifier(payload) as FromNotifier)
  return answers
}

async function* iterate(pieces: Buffer[]): AsyncGenerator<Buffer> {
  yield* pieces
}

describe('a recorded session of version 1.0', () => {
  for (const session of recordedSessions()) {
    it(`gets the answers of then: ${session.name}`, async () => {
      const then = (await notifierMessages(session)).filter(({ type }) => type !== 'accesses')
      const now = await answersTo(session.fromOptimizer)
      const types = (messages: FromNotifier[]) => messages.map(({ type }) => type)
      assert.deepEqual(types(now), types(then))
      const marked = (messages: FromNotifier[]) => messages.find(({ type }) => type === 'marked')
      assert.deepEqual(marked(now), marked(then))
    })
  }
})
