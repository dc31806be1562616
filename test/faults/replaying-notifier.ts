/** A notifier of version 1.0: says what one of then has said, up to the answer of each question. REPLAY names it. */
import { Socket } from 'node:net'
import { decodeFrames, encodeFrame } from '../../shared/frame.ts'
import { decodeFromNotifier, decodeFromOptimizer } from '../../shared/messages.ts'
import { recordedSessions } from '../helpers/recorded-sessions.ts'
import { inPieces } from '../helpers/tar-layer.ts'

const ANSWERS: Record<string, string> = {
  hello: 'hello',
  mark: 'marked',
  started: 'started',
  flush: 'flushed',
  stop: 'stopped',
}

const session = recordedSessions().find(({ name }) => name === process.env.REPLAY)
if (session === undefined) throw new Error(`there is no session ${process.env.REPLAY}`)
const optimizer = new Socket({ fd: 3, readable: true, writable: true })
const recorded = decodeFrames(inPieces(session.fromNotifier))
for await (const payload of decodeFrames(optimizer)) {
  const answer = ANSWERS[decodeFromOptimizer(payload)?.type ?? '']
  for (;;) {
    const { value, done } = await recorded.next()
    if (done) throw new Error(`nothing was answered with ${answer} then`)
    optimizer.write(encodeFrame(value))
    if (decodeFromNotifier(value)?.type === answer) break
  }
  if (answer === 'stopped') break
}
optimizer.end(() => process.exit(0))
