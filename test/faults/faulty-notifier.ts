/**
 * A notifier with a fault: the real one behind it, whose messages pass through until the one that NOTIFIER_FAULT
 * names. `<what> <type of the notifier's message>`, what being
 *   kill      both processes are killed before it is sent
 *   silent    nothing is sent or read any more
 *   deaf      nothing is read any more; what the notifier says still passes
 *   cut       the socket closes in the middle of its frame
 *   drop      it is left out, once
 *   garbage   bytes that are no frame come before it
 *   unknown   a message of a type that nobody knows comes before it
 */
import { spawn } from 'node:child_process'
import { Socket } from 'node:net'
import { fileURLToPath } from 'node:url'
import { decodeFrames, encodeFrame } from '../../shared/frame.ts'
import { decodeFromNotifier } from '../../shared/messages.ts'

const NOTIFIER = fileURLToPath(new URL('../../../bin/notifier', import.meta.url))
const [what = '', type = ''] = (process.env.NOTIFIER_FAULT ?? '').split(' ')
/** {type: "x-news"}: map of one, text of four, text of six. */
const UNKNOWN = Buffer.from('81a474797065a6782d6e657773', 'hex')

const optimizer = new Socket({ fd: 3, readable: true, writable: true })
const notifier = spawn(process.execPath, [NOTIFIER, '--fd', '3'], {
  stdio: ['ignore', 'ignore', 'inherit', 'pipe'],
})
const behind = notifier.stdio[3] as Socket
for (const socket of [optimizer, behind]) socket.on('error', () => {})
optimizer.on('close', () => behind.destroy())
optimizer.pipe(behind)

/** @returns whether the frame is still to be sent */
async function fault(frame: Buffer): Promise<boolean> {
  switch (what) {
    case 'kill':
      notifier.kill('SIGKILL')
      process.kill(process.pid, 'SIGKILL')
      return false
    case 'silent':
      optimizer.unpipe().pause()
      await new Promise((resolve) => setTimeout(resolve, 2 ** 31 - 1))
      return false
    case 'deaf':
      optimizer.unpipe().pause()
      return true
    case 'cut':
      optimizer.end(frame.subarray(0, frame.length / 2), () => process.exit(0))
      return false
    case 'garbage':
      optimizer.write('HTTP/1.1 200 OK\r\n\r\n')
      return true
    case 'unknown':
      optimizer.write(encodeFrame(UNKNOWN))
      return true
    default:
      return false
  }
}

let done: boolean = false
for await (const payload of decodeFrames(behind)) {
  const frame = encodeFrame(payload)
  const hit: boolean = !done && decodeFromNotifier(payload)?.type === type
  done ||= hit
  if (!hit || (await fault(frame))) optimizer.write(frame)
}
optimizer.end(() => process.exit(0))
