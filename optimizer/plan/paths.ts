/** Paths for people and documents. */
import type { PathKey } from '../tar/entry.ts'
import { cleanPath } from '../tar/path-key.ts'

/** Bytes that are not UTF-8 appear as U+FFFD. */
export function textOf(path: PathKey): string {
  return Buffer.from(path, 'latin1').toString()
}

/** A name as a table of contents has it, or as a person types it. */
export function cleanText(name: string): string {
  return textOf(cleanPath(Buffer.from(name)))
}
