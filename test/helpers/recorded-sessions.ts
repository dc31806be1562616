/** Byte streams of whole sessions with peers of an older version. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { decodeFrames } from '../../shared/frame.ts'
import {
  decodeFromNotifier,
  decodeFromOptimizer,
  type FromNotifier,
  type FromOptimizer,
} from '../../shared/messages.ts'
import { inPieces } from './tar-layer.ts'

const FOLDER = fileURLToPath(new URL('../../../test/fixtures/protocol/v1.0/sessions/', import.meta.url))

export interface RecordedSession {
  name: string
  /** What the optimizer sent, frames and all. */
  fromOptimizer: Buffer
  fromNotifier: Buffer
}

export function recordedSessions(): RecordedSession[] {
  const names = readdirSync(FOLDER).flatMap((file) => /^(.*)\.optimizer\.bin$/.exec(file)?.[1] ?? [])
  return names.map((name) => ({
    name,
    fromOptimizer: readFileSync(join(FOLDER, `${name}.optimizer.bin`)),
    fromNotifier: readFileSync(join(FOLDER, `${name}.notifier.bin`)),
  }))
}

export async function notifierMessages({ fromNotifier }: RecordedSession): Promise<FromNotifier[]> {
  return await messages(fromNotifier, decodeFromNotifier)
}

export async function optimizerMessages({ fromOptimizer }: RecordedSession): Promise<FromOptimizer[]> {
  return await messages(fromOptimizer, decodeFromOptimizer)
}

async function messages<Message>(
  stream: Buffer,
  decode: (payload: Buffer) => Message | null,
): Promise<Message[]> {
  const found: Message[] = []
  for await (const payload of decodeFrames(inPieces(stream, 1000))) {
    const message = decode(payload)
    if (message === null) throw new Error('a recorded message is of an unknown type')
    found.push(message)
  }
  return found
}
