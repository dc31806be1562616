/** Two layers, entry by entry, apart from their order and from what a format adds. */
import { createHash } from 'node:crypto'
import type { PathKey, TarEntry } from '../tar/entry.ts'
import { isFormatEntry } from '../tar/format-names.ts'
import { keepLastOfName } from '../tar/last-wins.ts'
import { parentPath } from '../tar/path-key.ts'
import type { Findings } from './difference.ts'
import { compareFacts, factsOf } from './facts.ts'
import type { Scan } from './scan.ts'
import { shownBytes, shownPath } from './shown-path.ts'

const WHITEOUT_PREFIX = '.wh.'
const OPAQUE_NAME = '.wh..wh..opq'

export interface LayerComparison {
  /** Of the source, one per name. */
  entries: number
  /** Earlier entries of a name that came again in the source. */
  repeated: number
  /** Of what the layers hold, order left out: two layers are equal where these are. */
  sourceFingerprint: string
  targetFingerprint: string
}

export function compareLayer(source: Scan, target: Scan, findings: Findings): LayerComparison {
  const kept = keepLastOfName(layerEntries(source))
  const left = new Map(kept.entries.map((entry) => [entry.path, entry]))
  const right = new Map<PathKey, TarEntry>()
  // The same tar may repeat its names as it likes.
  const isSameTar = source.diffId === target.diffId
  for (const entry of isSameTar ? kept.entries : layerEntries(target)) {
    if (right.has(entry.path)) findings.add('ENTRY_REPEATED', shownPath(entry.path), 'again in the target')
    right.set(entry.path, entry)
  }
  for (const path of [...new Set([...left.keys(), ...right.keys()])].sort()) {
    const [before, after] = [left.get(path), right.get(path)]
    if (before !== undefined && after !== undefined) compareEntry(before, after, source, target, findings)
    else if (before !== undefined)
      findings.add(missingCode(path), shownPath(path), `a ${before.type} in the source`)
    else if (after !== undefined)
      findings.add('ENTRY_ADDED', shownPath(path), `a ${after.type} in the target`)
  }
  compareWhiteoutOrder(left, right, findings)
  return {
    entries: left.size,
    repeated: kept.dropped,
    sourceFingerprint: fingerprint(left, source),
    targetFingerprint: fingerprint(right, target),
  }
}

/** Without landmarks and TOC. */
export function layerEntries(scan: Scan): TarEntry[] {
  return scan.entries.filter((entry) => !isFormatEntry(entry.path))
}

function missingCode(path: PathKey): 'OPAQUE_MISSING' | 'WHITEOUT_MISSING' | 'ENTRY_MISSING' {
  const name = path.slice(path.lastIndexOf('/') + 1)
  if (name === OPAQUE_NAME) return 'OPAQUE_MISSING'
  return name.startsWith(WHITEOUT_PREFIX) ? 'WHITEOUT_MISSING' : 'ENTRY_MISSING'
}

function compareEntry(
  before: TarEntry,
  after: TarEntry,
  source: Scan,
  target: Scan,
  findings: Findings,
): void {
  const left = factsOf(before, source.contents.of(before)?.digest)
  const right = factsOf(after, target.contents.of(after)?.digest)
  for (const { fact, message } of compareFacts(left, right))
    findings.add(`ENTRY_${fact}`, shownPath(before.path), message)
  const [sourceOwner, targetOwner] = [ownerNames(before), ownerNames(after)]
  if (sourceOwner !== targetOwner) {
    findings.add('ENTRY_OWNER_NAME', shownPath(before.path), `source ${sourceOwner}, target ${targetOwner}`)
  }
}

function ownerNames({ userName, groupName }: TarEntry): string {
  return `${shownBytes(userName)}:${shownBytes(groupName)}`
}

/** Who unpacks in order lets a whiteout remove what came before it. */
function compareWhiteoutOrder(
  source: ReadonlyMap<PathKey, TarEntry>,
  target: ReadonlyMap<PathKey, TarEntry>,
  findings: Findings,
): void {
  for (const [path, after] of target) {
    const parent = parentPath(path) ?? ''
    const name = path.slice(parent === '' ? 0 : parent.length + 1)
    if (!name.startsWith(WHITEOUT_PREFIX) || name === OPAQUE_NAME) continue
    const removed = `${parent === '' ? '' : `${parent}/`}${name.slice(WHITEOUT_PREFIX.length)}`
    const [whiteoutBefore, before, now] = [source.get(path), source.get(removed), target.get(removed)]
    if (whiteoutBefore === undefined || before === undefined || now === undefined) continue
    // Both ways of counting, over all entries and over those that stay, keep the order.
    if (before.payloadOffset > whiteoutBefore.payloadOffset !== now.payloadOffset > after.payloadOffset) {
      findings.add('ENTRY_ORDER', shownPath(removed), 'on the other side of its whiteout than in the source')
    }
  }
}

function fingerprint(entries: ReadonlyMap<PathKey, TarEntry>, scan: Scan): string {
  const hash = createHash('sha256')
  for (const path of [...entries.keys()].sort()) {
    const entry = entries.get(path) as TarEntry
    const facts = factsOf(entry, scan.contents.of(entry)?.digest)
    const plain = {
      ...facts,
      mtimeNanoseconds: String(facts.mtimeNanoseconds),
      linkName: facts.linkName.toString('latin1'),
      xattrs: facts.xattrs.map(({ name, value }) => [name, value.toString('hex')]).sort(),
    }
    hash.update(`${JSON.stringify([path, plain])}\n`)
  }
  return hash.digest('hex')
}
