/**
 * Measured starts, and what a model of the client has to know of their images, as small files: what the unit tests hold
 * the model's error on.
 */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { ImageAnalysis } from '../optimizer/plan/analysis.ts'
import { CLIENT } from '../optimizer/simulate/client-model.ts'
import { factsAsIs, type OwnTime, ownTime } from '../optimizer/simulate/facts-of-analysis.ts'
import type { AccessOfStart, StartFacts } from '../optimizer/simulate/start-facts.ts'
import type { LinkSpeed } from './lazy/link.ts'
import type { ColdStart, MeasuredRow } from './start-report.ts'
import { median } from './statistics.ts'

export interface StoredStarts {
  schemaVersion: 1
  /** A kind of sample image. */
  image: string
  links: Record<string, StoredLink>
  rows: StoredRow[]
}

/** null: as fast as the machine is. */
export type StoredLink = { bitsPerSecond: number; roundTripSeconds: number } | null

export interface StoredRow {
  id: string
  facts: StartFacts
  /** Medians, by the link's name. */
  measured: Record<string, MeasuredStart>
}

export interface MeasuredStart {
  pullSeconds: number
  runSeconds: number
  totalSeconds: number
  wireBytes: number
  requests: number
}

export interface RowToStore extends MeasuredRow {
  /** null of the original, which has no table of contents. */
  analysis: ImageAnalysis | null
}

/** Writes `FOLDER/IMAGE.json`. */
export async function storeStarts(
  folder: string,
  image: string,
  rows: readonly RowToStore[],
  links: readonly { id: string; speed: LinkSpeed | null }[],
): Promise<void> {
  const own = ownOf(rows)
  const stored: StoredStarts = {
    schemaVersion: 1,
    image,
    links: Object.fromEntries(links.map(({ id, speed }) => [id, storedLink(speed)])),
    rows: rows.map((row) => ({
      id: row.id,
      facts: factsOf(row, rows, own),
      measured: Object.fromEntries(
        Object.entries(row.starts).map(([link, starts]) => [link, measured(starts)]),
      ),
    })),
  }
  await mkdir(folder, { recursive: true })
  await writeFile(join(folder, `${image}.json`), textOf(stored))
}

/**
 * How long the workload takes by itself: on the original, which is there as a whole when it runs, less what the client
 * takes. The record was made in another moment: its times are scaled to that.
 */
function ownOf(rows: readonly RowToStore[]): OwnTime {
  const original = rows.find(({ id }) => id === 'original')
  const runs = Object.values(original?.starts ?? {}).map((starts) => measured(starts).runSeconds)
  if (runs.length === 0)
    throw new Error('rows are stored with the workload’s own time: the row "original" has it')
  return { seconds: rounded(Math.min(...runs) - CLIENT.runSeconds), until: 'end' }
}

/** @returns what was read by then, at the same share of the time */
function scaledFacts(analysis: ImageAnalysis, own: OwnTime): StartFacts {
  const files = analysis.layers.flatMap((layer) => layer.files)
  const recorded = ownTime(analysis.records[0]?.header ?? null, files)
  if (recorded === undefined) throw new Error('rows are stored by our record: the row "optimizer" makes it')
  const facts = factsAsIs(analysis, recorded)
  const scale = own.seconds / recorded.seconds
  const accesses = facts.accesses.map((access) => ({ ...access, atSeconds: access.atSeconds * scale }))
  return { ...facts, accesses, ownSeconds: own.seconds }
}

function factsOf({ analysis, layers }: RowToStore, rows: readonly RowToStore[], own: OwnTime): StartFacts {
  if (analysis !== null) return scaledFacts(analysis, own)
  const other = rows.find(({ id }) => id === 'unordered')?.analysis
  if (other == null)
    throw new Error('the original’s layers hold what those of the row "unordered" do: it is needed')
  const facts = scaledFacts(other, own)
  const whole = facts.layers.map((layer, index) => ({
    ...layer,
    sizeBytes: layers[index]?.sizeBytes ?? 0,
    lazy: null,
  }))
  return { ...facts, layers: whole, accesses: [] }
}

function storedLink(speed: LinkSpeed | null): StoredLink {
  return speed && { bitsPerSecond: speed.bitsPerSecond, roundTripSeconds: speed.roundTripMs / 1000 }
}

function measured(starts: readonly ColdStart[]): MeasuredStart {
  const of = (pick: (start: ColdStart) => number) => median(starts.map(pick))
  return {
    pullSeconds: rounded(of(({ pullMs }) => pullMs) / 1000),
    runSeconds: rounded(of(({ runMs }) => runMs) / 1000),
    totalSeconds: rounded(of(({ totalMs }) => totalMs) / 1000),
    wireBytes: of(({ wireBytes }) => wireBytes),
    requests: of(({ requests }) => requests),
  }
}

function rounded(seconds: number): number {
  return Math.round(seconds * 1000) / 1000
}

/** Seconds, layer, and offset, stored bytes and content bytes of each piece. */
type PackedAccess = number[]

/** A line of the file for each access, so that it is small and its changes can be read. */
function textOf(stored: StoredStarts): string {
  const rows = stored.rows.map((row) => {
    const lines = row.facts.accesses.map((access) => JSON.stringify(packed(access)))
    const head = JSON.stringify({ ...row, facts: { ...row.facts, accesses: [] } })
    return head.replace('"accesses":[]', () => `"accesses":[\n${lines.join(',\n')}\n]`)
  })
  const { schemaVersion, image, links } = stored
  const head = JSON.stringify({ schemaVersion, image, links }).slice(0, -1)
  return `${head},"rows":[\n${rows.join(',\n')}\n]}\n`
}

function packed({ atSeconds, layer, pieces }: AccessOfStart): PackedAccess {
  return [rounded(atSeconds), layer, ...pieces.flat()]
}

/** What {@link storeStarts} has written. */
export function readStarts(text: string): StoredStarts {
  const stored = JSON.parse(text) as StoredStarts
  for (const { facts } of stored.rows)
    Object.assign(facts, { accesses: (facts.accesses as unknown as PackedAccess[]).map(unpacked) })
  return stored
}

function unpacked([atSeconds = 0, layer = 0, ...numbers]: PackedAccess): AccessOfStart {
  const pieces: [number, number, number][] = []
  for (let at = 0; at < numbers.length; at += 3)
    pieces.push([numbers[at] ?? 0, numbers[at + 1] ?? 0, numbers[at + 2] ?? 0])
  return { atSeconds, layer, pieces }
}
