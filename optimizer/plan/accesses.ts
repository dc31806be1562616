/** What records say of files, put beside the files. */
import type { RecordEntry } from '../../shared/record.ts'
import type { GivenRecord, ReadEntry } from '../order/record-file.ts'
import type { AnalysedRecord, FileAccess, FileAnalysis, LeftOut } from './analysis.ts'
import { textOf } from './paths.ts'

export interface AccessedLayer {
  files: readonly FileAnalysis[]
  /** Of everything in the layer, also of what is no file. */
  has(path: string): boolean
}

/** Which lines are about the image. */
export interface AccessSources {
  records: readonly GivenRecord[]
  /** Manifests whose layers are, one for one, the image's; null for lines of any image, about any of its layers. */
  manifestDigests: readonly string[] | null
}

export interface Accesses {
  records: AnalysedRecord[]
  /** Lines that no file of the image has got; each path once. */
  leftOut: LeftOut[]
}

/** Sets `access` of the layers' files. */
export function addAccesses(layers: readonly AccessedLayer[], sources: AccessSources): Accesses {
  const byPath = layers.map(({ files }) => filesByPath(files))
  const leftOut = new Map<string, LeftOut>()
  let rank = 0
  const records = sources.records.map(({ file, record }, recordIndex): AnalysedRecord => {
    const named = new Set<FileAnalysis>()
    const reads = record.header?.reads === true
    for (const line of record.entries) {
      const { found, reason } = filesOf(line, layers, byPath, sources.manifestDigests)
      for (const found_ of found) {
        named.add(found_)
        if (found_.access === null) found_.access = newAccess(line, recordIndex, rank++, reads)
        else addLine(found_.access, line, reads)
      }
      if (reason === null) continue
      const path = textOf(line.path)
      leftOut.set(path, { path, layerIndex: null, sizeBytes: line.entry?.sizeBytes ?? null, reason })
    }
    return { file, header: record.header, files: named.size }
  })
  return { records, leftOut: [...leftOut.values()] }
}

function filesByPath(files: readonly FileAnalysis[]): Map<string, FileAnalysis> {
  const byPath = new Map<string, FileAnalysis>()
  for (const file of files) for (const path of [file.path, ...file.links]) byPath.set(path, file)
  return byPath
}

interface FoundFiles {
  found: FileAnalysis[]
  /** Why the line is about nothing of the image; null where it is about something, be it no file. */
  reason: 'absent' | 'other-image' | null
}

function filesOf(
  { path: key, manifestDigest, layerIndex }: ReadEntry,
  layers: readonly AccessedLayer[],
  byPath: readonly Map<string, FileAnalysis>[],
  manifestDigests: readonly string[] | null,
): FoundFiles {
  const path = textOf(key)
  if (manifestDigests === null) {
    const found = byPath.flatMap((files) => files.get(path) ?? [])
    return { found, reason: layers.some((layer) => layer.has(path)) ? null : 'absent' }
  }
  if (manifestDigest === null || !manifestDigests.includes(manifestDigest))
    return { found: [], reason: 'other-image' }
  const layer = layerIndex === null ? undefined : layers[layerIndex]
  const file = byPath[layerIndex ?? -1]?.get(path)
  return { found: file === undefined ? [] : [file], reason: layer?.has(path) ? null : 'absent' }
}

function newAccess(line: ReadEntry, record: number, rank: number, reads: boolean): FileAccess {
  const { entry } = line
  const access: FileAccess = {
    record,
    line: line.line,
    rank,
    phase: entry?.phase ?? null,
    kinds: [...(entry?.kinds ?? [])],
    evidence: 'unknown',
    firstAccessMicroseconds: entry?.firstAccessMicroseconds ?? null,
    pid: entry?.pid ?? null,
    process: entry?.command?.toString() ?? null,
    probe: entry?.probe === true,
    workload: entry?.workload ?? null,
  }
  access.evidence = evidenceOf(entry, reads)
  return access
}

const USES: readonly string[] = ['exec', 'read', 'copy-up']

function evidenceOf(entry: RecordEntry | null, reads: boolean): FileAccess['evidence'] {
  if (entry?.kinds.some((kind) => USES.includes(kind))) return 'used'
  return entry !== null && reads ? 'opened' : 'unknown'
}

/** A line that does not tell reads leaves open what the others say was only opened. */
function addLine(access: FileAccess, { entry }: ReadEntry, reads: boolean): void {
  for (const kind of entry?.kinds ?? []) if (!access.kinds.includes(kind)) access.kinds.push(kind)
  const evidence = evidenceOf(entry, reads)
  if (access.evidence === 'used' || evidence === 'used') access.evidence = 'used'
  else if (evidence === 'unknown') access.evidence = 'unknown'
}
