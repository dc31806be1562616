/**
 * What an unpacked layer had in it, kept beside it: whoever wants to know which layer a file is from need not read the
 * layer again. One file of its own: a line that says what it is, the layer's diff ID, a digest of what follows, and that.
 */
import { randomUUID } from 'node:crypto'
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Digest, digestOf } from '../image/digest.ts'
import type { EntryType, TarEntry } from '../tar/entry.ts'

/** Of a layer's folder. */
export const CONTENTS_FILE = 'contents'
/** Another version is no file of ours: what it is beside is read again. */
const FIRST_LINE = 'hotlayer layer contents 1'
const LINE_END = '\n'.charCodeAt(0)
const NOTHING = Buffer.alloc(0)

/** As much of an entry as says where a path leads. */
export type ContentsEntry = Pick<TarEntry, 'path' | 'type' | 'linkName'>

/** A letter each. */
const LETTERS: Record<EntryType, string> = {
  reg: 'r',
  dir: 'd',
  symlink: 's',
  hardlink: 'h',
  char: 'c',
  block: 'b',
  fifo: 'p',
}
const TYPES = new Map(Object.entries(LETTERS).map(([type, letter]) => [letter, type as EntryType]))

/** What follows the digest; a character a byte. */
interface Columns {
  /** A letter for each entry, in the tar's order. */
  types: string
  paths: string[]
  /** Of the links among them, in their order. */
  targets: string[]
}

/** @returns null where there is none, or one that is not what was written */
export function readContents(folder: string, diffId: Digest): ContentsEntry[] | null {
  try {
    return parseContents(readFileSync(join(folder, CONTENTS_FILE)), diffId)
  } catch {
    return null
  }
}

/** In one step: whoever reads meanwhile has the old one or the new. @throws NodeJS errors */
export function writeContents(folder: string, diffId: Digest, entries: readonly ContentsEntry[]): void {
  const file = join(folder, CONTENTS_FILE)
  const temporary = `${file}.${randomUUID()}`
  try {
    writeFileSync(temporary, formatContents(diffId, entries), { mode: 0o600 })
    renameSync(temporary, file)
  } catch (error) {
    rmSync(temporary, { force: true })
    throw error
  }
}

function formatContents(diffId: Digest, entries: readonly ContentsEntry[]): Buffer {
  const columns: Columns = {
    types: entries.map(({ type }) => LETTERS[type]).join(''),
    paths: entries.map(({ path }) => path),
    targets: entries.filter(isLink).map(({ linkName }) => linkName.toString('latin1')),
  }
  const body = Buffer.from(JSON.stringify(columns), 'latin1')
  return Buffer.concat([Buffer.from(`${FIRST_LINE}\n${diffId}\n${digestOf(body)}\n`), body])
}

/** @throws where it is something else */
function parseContents(bytes: Buffer, diffId: Digest): ContentsEntry[] | null {
  const [first, second, third] = lineEnds(bytes)
  if (first === undefined || second === undefined || third === undefined) return null
  const line = (start: number, end: number) => bytes.toString('latin1', start, end)
  const body = bytes.subarray(third + 1)
  if (line(0, first) !== FIRST_LINE || line(first + 1, second) !== diffId) return null
  if (line(second + 1, third) !== digestOf(body)) return null
  const { types, paths, targets } = JSON.parse(body.toString('latin1')) as Columns
  let links = 0
  return paths.map((path, index) => {
    const type = TYPES.get(types[index] as string) as EntryType
    const target = isLink({ type }) ? targets[links++] : undefined
    return { path, type, linkName: target === undefined ? NOTHING : Buffer.from(target, 'latin1') }
  })
}

function isLink({ type }: Pick<TarEntry, 'type'>): boolean {
  return type === 'symlink' || type === 'hardlink'
}

function lineEnds(bytes: Buffer): number[] {
  const ends: number[] = []
  for (let at = bytes.indexOf(LINE_END); at >= 0 && ends.length < 3; at = bytes.indexOf(LINE_END, at + 1))
    ends.push(at)
  return ends
}
