/** Paths as text. */
import type { PathKey } from '../tar/entry.ts'

const decoder = new TextDecoder('utf-8', { fatal: true })

/** Bytes that are not UTF-8 as \xNN. */
export function shownPath(path: PathKey): string {
  return shownBytes(Buffer.from(path, 'latin1'))
}

export function shownBytes(bytes: Buffer): string {
  try {
    return decoder.decode(bytes)
  } catch {
    return bytes
      .toString('latin1')
      .replace(/[\x80-\xff]/g, (byte) => `\\x${byte.charCodeAt(0).toString(16).padStart(2, '0')}`)
  }
}
