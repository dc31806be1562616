/** What is true of an entry or file, and how two of them differ. */
import type { Digest } from '../image/digest.ts'
import type { TarEntry } from '../tar/entry.ts'
import { shownBytes } from './shown-path.ts'

/** What an unpacker makes of an entry. */
export interface Facts {
  type: TarEntry['type']
  sizeBytes: number
  /** Of a regular file's content; null for everything else. */
  digest: Digest | null
  mode: number
  uid: number
  gid: number
  mtimeNanoseconds: bigint
  /** Of a symbolic link as it is, of a hard link clean. */
  linkName: Buffer
  devMajor: number
  devMinor: number
  xattrs: TarEntry['xattrs']
}

export type Fact = 'TYPE' | 'SIZE' | 'CONTENT' | 'MODE' | 'OWNER' | 'MTIME' | 'LINK' | 'DEVICE' | 'XATTR'

export interface FactDifference {
  fact: Fact
  /** `source …, target …` */
  message: string
}

export function factsOf(entry: TarEntry, digest: Digest | undefined): Facts {
  const { type, sizeBytes, mode, uid, gid, mtimeNanoseconds, devMajor, devMinor, xattrs } = entry
  const linkName = type === 'hardlink' ? Buffer.from(entry.linkPath, 'latin1') : entry.linkName
  const content = type === 'reg' ? (digest ?? null) : null
  return {
    type,
    sizeBytes,
    digest: content,
    mode,
    uid,
    gid,
    mtimeNanoseconds,
    linkName,
    devMajor,
    devMinor,
    xattrs,
  }
}

export function compareFacts(source: Facts, target: Facts): FactDifference[] {
  if (source.type !== target.type) return [difference('TYPE', source.type, target.type)]
  if (areEqual(source, target)) return []
  const found: FactDifference[] = []
  const compare = (fact: Fact, show: (facts: Facts) => string) => {
    const [left, right] = [show(source), show(target)]
    if (left !== right) found.push(difference(fact, left, right))
  }
  compare('SIZE', ({ sizeBytes }) => `${sizeBytes} bytes`)
  compare('CONTENT', ({ digest }) => digest ?? 'nothing')
  compare('MODE', ({ mode }) => `0${mode.toString(8)}`)
  compare('OWNER', ({ uid, gid }) => `${uid}:${gid}`)
  if (source.mtimeNanoseconds !== target.mtimeNanoseconds) compare('MTIME', shownTime)
  if (!source.linkName.equals(target.linkName))
    found.push(difference('LINK', shownBytes(source.linkName), shownBytes(target.linkName)))
  compare('DEVICE', ({ devMajor, devMinor }) => `${devMajor}:${devMinor}`)
  if (source.xattrs.length > 0 || target.xattrs.length > 0) found.push(...xattrDifferences(source, target))
  return found
}

/** What is true of nearly all, said without a text being made of it. */
function areEqual(source: Facts, target: Facts): boolean {
  return (
    source.sizeBytes === target.sizeBytes &&
    source.digest === target.digest &&
    source.mode === target.mode &&
    source.uid === target.uid &&
    source.gid === target.gid &&
    source.mtimeNanoseconds === target.mtimeNanoseconds &&
    source.devMajor === target.devMajor &&
    source.devMinor === target.devMinor &&
    source.linkName.equals(target.linkName) &&
    source.xattrs.length === 0 &&
    target.xattrs.length === 0
  )
}

function difference(fact: Fact, source: string, target: string): FactDifference {
  return { fact, message: `source ${source}, target ${target}` }
}

function xattrDifferences(source: Facts, target: Facts): FactDifference[] {
  const [left, right] = [xattrMap(source), xattrMap(target)]
  return [...new Set([...left.keys(), ...right.keys()])].sort().flatMap((name) => {
    const [a, b] = [left.get(name) ?? 'none', right.get(name) ?? 'none']
    return a === b ? [] : [{ fact: 'XATTR' as const, message: `${name}: source ${a}, target ${b}` }]
  })
}

function xattrMap({ xattrs }: Facts): Map<string, string> {
  return new Map(xattrs.map(({ name, value }) => [name, `0x${value.toString('hex')}`]))
}

const NANOSECONDS = 1_000_000_000n

/** Seconds since 1970. */
function shownTime({ mtimeNanoseconds }: Facts): string {
  const fraction = ((mtimeNanoseconds % NANOSECONDS) + NANOSECONDS) % NANOSECONDS
  const seconds = (mtimeNanoseconds - fraction) / NANOSECONDS
  return fraction === 0n ? `${seconds} s` : `${seconds}.${fraction.toString().padStart(9, '0')} s`
}
