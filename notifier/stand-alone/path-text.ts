/** Names of files and processes for people: bytes that would break a line or steer a terminal are written out. */
import { isUtf8 } from 'node:buffer'

/** `\\n`, `\\t`, `\\x1b`, and `\\xff` for each byte that is not UTF-8; a backslash is doubled. */
export function pathText(bytes: Buffer): string {
  if (isUtf8(bytes)) return escapeControl(bytes.toString('utf8'))
  return escapeControl(bytes.toString('latin1'), /[^ -[\]-~]/g)
}

const NAMES: Record<string, string> = { '\\': '\\\\', '\n': '\\n', '\t': '\\t', '\r': '\\r' }

function escapeControl(text: string, what = /[\\\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu): string {
  return text.replace(what, (character) => NAMES[character] ?? escaped(character.codePointAt(0) ?? 0))
}

function escaped(code: number): string {
  const digits = code.toString(16)
  return code < 0x100 ? `\\x${digits.padStart(2, '0')}` : `\\u${digits.padStart(4, '0')}`
}
