/** What others have seen of an image's files, as a record of it. */
import { COUNTER_NAMES } from '../../shared/messages.ts'
import {
  type AccessRecord,
  RECORD_SCHEMA_VERSION,
  type RecordCounters,
  type RecordEntry,
  type RecordedImage,
} from '../../shared/record.ts'
import type { TarEntry } from '../tar/entry.ts'
import type { ForeignAccess, ForeignAccesses } from './foreign-access.ts'
import { LayerIndex, type Located } from './layer-index.ts'
import { LinkedFiles } from './linked-files.ts'
import { allKinds } from './merge-workloads.ts'

export interface ImportTarget {
  image: RecordedImage
  /** Lowest first. */
  layers: readonly { digest: string; entries: readonly TarEntry[] }[]
  /** Program and version that writes the record. */
  recordedBy: string
  /** What the accesses are from, in words. */
  from: string
}

/** Each file once, in the order of its first access; what is in no layer is counted. */
export function importRecord(foreign: ForeignAccesses, target: ImportTarget): AccessRecord {
  const index = new LayerIndex(target.layers.map(({ entries }) => entries))
  const linked = target.layers.map(({ entries }) => new LinkedFiles(entries))
  const entries = new Map<string, RecordEntry>()
  const outside = new Set<string>()
  let lastMicroseconds = 0
  for (const access of foreign.accesses) {
    lastMicroseconds = Math.max(lastMicroseconds, access.microseconds)
    const located = locate(access, index, linked, target)
    if (located === undefined) {
      outside.add(access.path)
      continue
    }
    const key = `${located.layerIndex} ${located.entry.path}`
    const known = entries.get(key)
    if (known === undefined) entries.set(key, entryOf(access, located, linked, target))
    else known.kinds = allKinds(known.kinds, [access.kind])
  }
  return {
    header: {
      schemaVersion: RECORD_SCHEMA_VERSION,
      recordedBy: target.recordedBy,
      image: target.image,
      workload: { args: [], envNames: [], cwd: '/', user: '' },
      kernel: '',
      mark: { kind: 'mount', reason: `imported from ${target.from}` },
      reads: false,
      stop: { rule: 'import', reason: `imported from ${target.from}`, readySeconds: null },
      started: (foreign.started ?? new Date(0)).toISOString(),
      durationSeconds: lastMicroseconds / 1e6,
      exitStatus: null,
      counters: counters(foreign, outside.size),
      complete: foreign.unresolved === 0,
      incompleteReasons:
        foreign.unresolved === 0 ? [] : [`the path of ${foreign.unresolved} accesses cannot be told`],
    },
    entries: [...entries.values()],
  }
}

/** Where it is said to be, else where a container finds it. */
function locate(
  { path, place }: ForeignAccess,
  index: LayerIndex,
  linked: readonly LinkedFiles[],
  { layers }: ImportTarget,
): Located | undefined {
  if (place !== null) {
    const layerIndex =
      'layerIndex' in place
        ? place.layerIndex
        : layers.findIndex(({ digest }) => digest === place.layerDigest)
    const entry = linked[layerIndex]?.at(path)
    if (entry !== undefined) return isFile(entry) ? { layerIndex, entry } : undefined
  }
  const located = index.trace(path).at(-1)
  return located !== undefined && isFile(located.entry) ? located : undefined
}

function isFile({ type }: TarEntry): boolean {
  return type === 'reg' || type === 'hardlink'
}

function entryOf(
  access: ForeignAccess,
  { layerIndex, entry }: Located,
  linked: readonly LinkedFiles[],
  target: ImportTarget,
): RecordEntry {
  const { kind, microseconds, pid, command } = access
  return {
    path: Buffer.from(entry.path, 'latin1'),
    manifestDigest: target.image.manifestDigest,
    layerIndex,
    layerDigest: target.layers[layerIndex]?.digest ?? null,
    phase: 'run',
    kinds: [kind],
    firstAccessMicroseconds: microseconds,
    sizeBytes: linked[layerIndex]?.fileOf(entry)?.sizeBytes ?? 0,
    pid,
    command: command === null ? null : Buffer.from(command),
  }
}

/** Of a notifier there was none. */
function counters({ accesses, unresolved }: ForeignAccesses, outsideLayers: number): RecordCounters {
  const none = Object.fromEntries(COUNTER_NAMES.map((name) => [name, 0])) as unknown as RecordCounters
  return {
    ...none,
    unresolved,
    received: accesses.length,
    outsideLayers,
    madeAtRunTime: null,
    copiedUp: 0,
    byProbe: 0,
    createLeftOut: 0,
  }
}
