/** Accesses, as the notifier reports them, to entries of a record. */
import type { Access } from '../../shared/messages.ts'
import { KIND, PHASE } from '../../shared/messages.ts'
import type { RecordEntry } from '../../shared/record.ts'
import type { Manifest } from '../image/manifest.ts'
import type { IndexedEntry, LayerIndex } from './layer-index.ts'

export interface Attributed {
  /** In order of first access; a file appears once per phase. */
  entries: RecordEntry[]
  /** Accessed paths that are in no layer, in order, without leading slash. */
  outsideLayers: Buffer[]
  /** Files that only a copy-up has read. */
  copiedUp: number
  /** Entries that were left out. */
  createLeftOut: number
}

export interface AttributionSource {
  index: LayerIndex<IndexedEntry>
  manifestDigest: string
  manifest: Manifest
  /** Where the root file system was mounted on the host: prefix of paths opened before the runtime's pivot. */
  mountPoint: string
  /** Left out: what the runtime's init and hooks read. */
  withoutCreatePhase?: boolean
  /** Readers that are commands of --ready-exec. */
  probePids?: ReadonlySet<number>
  /** Read by being copied up, at some time before `endMicroseconds`. */
  copiedUp?: readonly { path: Buffer; sizeBytes: number }[]
  endMicroseconds?: number
}

export function attribute(accesses: readonly Access[], source: AttributionSource): Attributed {
  const byPhaseAndPath = new Map<string, RecordEntry>()
  const outside = new Map<string, Buffer>()
  const prefix = Buffer.from(source.mountPoint).toString('latin1')

  for (const access of accesses) {
    const path = pathInImage(access.path.toString('latin1'), prefix)
    const located = source.index.locate(path)
    if (located === undefined) {
      outside.set(path, Buffer.from(path, 'latin1'))
      continue
    }
    const key = `${access.phase} ${located.layerIndex} ${located.entry.path}`
    const known = byPhaseAndPath.get(key)
    if (known === undefined)
      byPhaseAndPath.set(key, newEntry(access, located.entry.path, located.layerIndex, source))
    else known.kinds = mergeKinds(known.kinds, kindNames(access.kinds))
  }
  const entries = [...byPhaseAndPath.values()]
  const kept = source.withoutCreatePhase ? entries.filter(({ phase }) => phase !== 'create') : entries
  const copiedUp = copyUpEntries(kept, source)
  return {
    entries: [...kept, ...copiedUp],
    outsideLayers: [...outside.values()],
    copiedUp: copiedUp.length,
    createLeftOut: entries.length - kept.length,
  }
}

/** At the end, for nobody knows when they were read; the kernel reads such a file for whoever changes it. */
function copyUpEntries(known: readonly RecordEntry[], source: AttributionSource): RecordEntry[] {
  const named = new Set(known.map(({ layerIndex, path }) => `${layerIndex} ${path.toString('latin1')}`))
  const entries: RecordEntry[] = []
  for (const { path, sizeBytes } of source.copiedUp ?? []) {
    const located = source.index.locate(path.toString('latin1'))
    if (located === undefined) continue
    const { layerIndex, entry } = located
    const key = `${layerIndex} ${entry.path}`
    if (named.has(key)) continue
    named.add(key)
    entries.push({
      path: Buffer.from(entry.path, 'latin1'),
      manifestDigest: source.manifestDigest,
      layerIndex,
      layerDigest: source.manifest.layers[layerIndex]?.digest ?? null,
      phase: 'run',
      kinds: ['copy-up'],
      firstAccessMicroseconds: source.endMicroseconds ?? 0,
      sizeBytes,
      pid: 0,
      command: null,
    })
  }
  return entries
}

function pathInImage(path: string, mountPoint: string): string {
  const inside =
    path === mountPoint || path.startsWith(`${mountPoint}/`) ? path.slice(mountPoint.length) : path
  return inside.replace(/^\/+/, '')
}

function newEntry(access: Access, path: string, layerIndex: number, source: AttributionSource): RecordEntry {
  return {
    path: Buffer.from(path, 'latin1'),
    manifestDigest: source.manifestDigest,
    layerIndex,
    layerDigest: source.manifest.layers[layerIndex]?.digest ?? null,
    phase: access.phase === PHASE.create ? 'create' : 'run',
    kinds: kindNames(access.kinds),
    firstAccessMicroseconds: access.elapsedMicroseconds,
    sizeBytes: access.sizeBytes,
    pid: access.pid,
    command: access.command,
    ...(source.probePids?.has(access.pid) ? { probe: true as const } : {}),
  }
}

const NAMED_KINDS = ['open', 'exec', 'read'] as const

function kindNames(bits: number): RecordEntry['kinds'] {
  return NAMED_KINDS.filter((name) => (bits & KIND[name]) !== 0)
}

function mergeKinds(left: RecordEntry['kinds'], right: RecordEntry['kinds']): RecordEntry['kinds'] {
  return NAMED_KINDS.filter((name) => left.includes(name) || right.includes(name))
}
