/** What comes over the socket: frames, and the messages in them. */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { readAccesses } from '../../shared/accesses-reader.ts'
import { decodeFrames, encodeFrame, FRAME_PAYLOAD_BYTES_MAX, FrameError } from '../../shared/frame.ts'
import {
  decodeByCodec,
  decodeFromNotifier,
  decodeFromOptimizer,
  encodeMessage,
  MessageError,
} from '../../shared/messages.ts'
import { inPieces } from '../helpers/tar-layer.ts'
import type { FuzzTarget } from './target.ts'

const FIXTURES = fileURLToPath(new URL('../../../test/fixtures/protocol/', import.meta.url))

/** Payloads of all fixtures, of every version, refused ones too. */
function payloads(): Buffer[] {
  return readdirSync(FIXTURES, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.bin'))
    .sort()
    .map((path) => readFileSync(join(FIXTURES, path)))
    .filter((payload) => payload.length > 0 && payload.length <= FRAME_PAYLOAD_BYTES_MAX)
}

export const frameDecoder: FuzzTarget = {
  corpus: () => {
    const frames = payloads()
      .filter((payload) => payload.length < 4096)
      .map(encodeFrame)
    return [...frames, Buffer.concat(frames.slice(0, 12))]
  },
  dictionary: ['\0\0\0\0', '\0\0\0\x01', '\0\x10\0\0', '\0\x10\0\x01', '\xff\xff\xff\xff'],
  inputBytesMax: 64 * 1024,
  isRefusal: (error) => error instanceof FrameError,
  run: async (input) => {
    const frames: Buffer[] = []
    const pieceBytes = 1 + (input.length % 97)
    try {
      for await (const payload of decodeFrames(inPieces(input, pieceBytes))) frames.push(encodeFrame(payload))
    } finally {
      // Whatever came out, it is the beginning of what went in.
      const again = Buffer.concat(frames)
      assert.ok(again.equals(input.subarray(0, again.length)))
    }
    return `${Math.min(frames.length, 20)} frames`
  },
}

export const messageValidator: FuzzTarget = {
  corpus: payloads,
  dictionary: [
    ...['type', 'hello', 'mark', 'accesses', 'counters', 'entries', 'capabilities', 'version', 'rootPid'],
    ...[
      'constructor',
      '__proto__',
      'prototype',
      'toString',
      'name',
      'length',
      '\xabconstructor\x81\xa4name\x05',
    ],
    ...[
      '\xc0',
      '\xc1',
      '\xc2',
      '\x80',
      '\x90',
      '\xa0',
      '\xcb\x7f\xf8\0\0\0\0\0\0',
      '\xcf\xff\xff\xff\xff\xff\xff\xff\xff',
    ],
    ...[
      '\xd4\x00\x00',
      '\xd6\xff\0\0\0\0',
      '\xc7\x0c\xff',
      '\xdd\xff\xff\xff\xff',
      '\xdf\0\x10\0\0',
      '\xc6\0\x0f\0\0',
      '\x91',
    ],
  ],
  inputBytesMax: 64 * 1024,
  isRefusal: (error) => error instanceof MessageError,
  run: (input) => {
    const accesses = readAccesses(input)
    if (accesses !== null) assert.deepEqual(decodeByCodec(input), { type: 'accesses', ...accesses })
    const answers = [decodeFromNotifier, decodeFromOptimizer].map((decode) => {
      let message: ReturnType<typeof decodeFromNotifier> | ReturnType<typeof decodeFromOptimizer>
      try {
        message = decode(input)
      } catch (error) {
        if (error instanceof MessageError) return `${error.code} ${error.message.replace(/not .*|\d+/g, '')}`
        throw error
      }
      // What was accepted can be said, and means the same then.
      if (message !== null) assert.deepEqual(decode(encodeMessage(message)), message)
      return message?.type ?? 'unknown'
    })
    return answers.join()
  },
}
