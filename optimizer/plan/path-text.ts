/** Where one file is, as a few lines for a person. */
import { formatBytes, printableName, printablePath } from '../../shared/text.ts'
import type { ChunkPlace, FileAccess, ImageAnalysis } from './analysis.ts'
import type { FoundPath, PathExplanation } from './explain-path.ts'

/** Chunks that are listed. */
const CHUNKS_MAX = 20

const TYPE_NAMES: Record<FoundPath['type'], string> = {
  reg: 'a file',
  dir: 'a folder',
  symlink: 'a symbolic link',
  hardlink: 'a hard link',
  char: 'a device',
  block: 'a device',
  fifo: 'a pipe',
}

export function formatPath(
  { path, links, found, hiddenLayers, unknownLayers }: PathExplanation,
  { records, layers }: Pick<ImageAnalysis, 'records' | 'layers'>,
): string {
  const lines = links.map(
    (link) =>
      `${printablePath(link.path)} is a link to ${printableName(link.target)} (layer ${link.layerIndex})`,
  )
  if (found === null && hiddenLayers.length > 0) lines.push(`${printablePath(path)} is removed by a layer`)
  else if (found === null)
    lines.push(
      `${printablePath(path)} is in no layer${unknownLayers.length > 0 ? ' that has a table of contents' : ''}`,
    )
  else lines.push(...foundLines(found, layers[found.layerIndex]?.sums.hotFiles ?? 0))
  const access = found?.file?.access ?? null
  if (access !== null) lines.push(accessLine(access, records[access.record]?.file ?? ''))
  else if (found?.file && records.length > 0) lines.push('no record names it')
  if (hiddenLayers.length > 0)
    lines.push(`${found === null ? '' : 'also '}in ${layerNames(hiddenLayers)}, where it is hidden`)
  if (unknownLayers.length > 0)
    lines.push(`${layerNames(unknownLayers)}: no table of contents, so what is in there is not known`)
  return `${lines.join('\n')}\n`
}

function layerNames(indices: readonly number[]): string {
  return `layer${indices.length === 1 ? '' : 's'} ${indices.join(', ')}`
}

function foundLines(
  { path, type, layerIndex, layerDigest, file, hotPosition }: FoundPath,
  hotFiles: number,
): string[] {
  const head = `${printablePath(path)} is ${TYPE_NAMES[type]} of layer ${layerIndex} (${layerDigest})`
  if (file === null) return [head]
  const chunks = file.chunks ?? []
  const size = `${formatBytes(file.sizeBytes)}, ${formatBytes(file.compressedBytes ?? 0)} compressed`
  const more = chunks.length > CHUNKS_MAX ? [`  and ${chunks.length - CHUNKS_MAX} more`] : []
  return [
    `${head}: ${size}, ${chunks.length} chunk${chunks.length === 1 ? '' : 's'}`,
    ...chunks.slice(0, CHUNKS_MAX).map(chunkLine),
    ...more,
    ...(file.path === path ? [] : [`the same file as ${printablePath(file.path)}`]),
    hotPosition === null
      ? 'it does not come first: a client fetches it when it is read'
      : `it comes first: file ${hotPosition} of ${hotFiles} in the layer's hot zone`,
  ]
}

function chunkLine({ chunkOffset, chunkBytes, offset, memberBytes, innerOffset }: ChunkPlace): string {
  const inner = innerOffset === 0 ? '' : `, from byte ${innerOffset} of what it holds`
  return `  bytes ${chunkOffset} to ${chunkOffset + chunkBytes}: at ${offset} of the blob, ${memberBytes} bytes${inner}`
}

function accessLine(access: FileAccess, file: string): string {
  const { line, kinds, firstAccessMicroseconds, process, phase, evidence, probe, workload } = access
  // When a file was copied up nobody knows.
  const when =
    firstAccessMicroseconds === null || kinds.includes('copy-up')
      ? ''
      : timeText(firstAccessMicroseconds, workload)
  const who = process === null ? '' : ` by ${printableName(process)}`
  const what = kinds.length === 0 ? 'named' : kinds.join(', ')
  const created = phase === 'create' ? ", by the runtime before the workload's first instruction" : ''
  const opened = evidence === 'opened' ? '; never read, or mapped only' : ''
  return `line ${line} of ${printableName(file)}: ${what}${who}${when}${created}${probe ? ' (a probe)' : ''}${opened}`
}

function timeText(microseconds: number, workload: string | null): string {
  const seconds = (Math.abs(microseconds) / 1e6).toFixed(3)
  const of = workload === null ? '' : ` of ${printableName(workload)}`
  return ` ${seconds} s ${microseconds < 0 ? 'before' : 'after'} the start${of}`
}
