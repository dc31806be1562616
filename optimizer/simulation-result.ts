/** What `optimizer simulate` prints. Fields are only added; a change of meaning raises the version. */
import { PreconditionError } from '../shared/errors.ts'
import { printableName } from '../shared/text.ts'
import { formatSeconds } from './console.ts'
import type { Digest } from './image/digest.ts'
import type { ImageAnalysis } from './plan/analysis.ts'
import type { OwnTime } from './simulate/facts-of-analysis.ts'
import type { Fleet, FleetStart } from './simulate/fleet.ts'
import { formatBitRate, type Link } from './simulate/link.ts'
import type { PredictedStart } from './simulate/predicted-start.ts'
import { simulate, type Way } from './simulate/simulate.ts'
import { formatTable } from './table.ts'

export const SIMULATION_SCHEMA_VERSION = 1

export interface SimulationResult {
  schemaVersion: typeof SIMULATION_SCHEMA_VERSION
  image: { name: string; manifestDigest: Digest; platform: string }
  /** The record's file. */
  record: string
  /** What counts as up, and when that was on a machine that had the whole image. */
  own: OwnTime
  links: LinkResult[]
  /** null where no fleet was asked for. */
  fleet: FleetResult | null
}

export interface LinkResult {
  bitsPerSecond: number
  roundTripSeconds: number
  title: string
  starts: (PredictedStart & { way: Way })[]
}

export interface FleetResult extends Fleet {
  links: (Omit<LinkResult, 'starts'> & { starts: (FleetStart & { way: Way })[] })[]
}

/** @throws {PreconditionError} RECORD_WITHOUT_TIMES */
export function simulationResult(
  analysis: ImageAnalysis,
  links: readonly Link[],
  fleet: Fleet | null,
): SimulationResult {
  const simulation = simulate(analysis, links, fleet)
  const file = analysis.records[0]?.file ?? ''
  if (simulation === undefined)
    throw new PreconditionError(
      'RECORD_WITHOUT_TIMES',
      `${file} does not tell when what was read, so no start can be predicted: record again with optimizer record`,
    )
  const { name, manifestDigest, platform } = analysis
  return {
    schemaVersion: SIMULATION_SCHEMA_VERSION,
    image: { name, manifestDigest, platform },
    record: file,
    own: simulation.own,
    links: simulation.links.map(({ link, starts }) => ({
      ...link,
      starts: starts.map(({ way, start }) => ({ way, ...start })),
    })),
    fleet:
      fleet === null || simulation.fleet === null
        ? null
        : { ...fleet, links: simulation.fleet.map(({ link, starts }) => ({ ...link, starts })) },
  }
}

export const WAY_TITLES: Record<Way, string> = {
  full: 'pulled in full',
  lazy: 'pulled lazily, as it is',
  'by-record': 'pulled lazily, ordered by the record',
}

const OWN_TITLES: Record<OwnTime['until'], string> = {
  ready: 'ready',
  end: 'at its end',
  reads: 'done with first reads',
}

export function formatSimulation({ image, record, own, links, fleet }: SimulationResult): string {
  const head = ['', 'pull s', 'run s', 'up s', 'MB', 'requests', 'on demand']
  return [
    `${printableName(image.name)} (${image.platform}), by ${printableName(record)}`,
    `up is: ${OWN_TITLES[own.until]}, which takes ${formatSeconds(own.seconds)} where the whole image is there`,
    ...links.flatMap(({ title, starts }) => ['', title, ...formatTable(head, starts.map(startRow))]),
    ...(fleet === null ? [] : fleetLines(fleet)),
    '',
  ].join('\n')
}

function startRow(start: PredictedStart & { way: Way }): string[] {
  return [
    WAY_TITLES[start.way],
    ...[start.pullSeconds, start.runSeconds, start.totalSeconds].map((seconds) => seconds.toFixed(2)),
    megabytes(start.wireBytes),
    String(start.requests),
    String(start.onDemandRequests),
  ]
}

function fleetLines({ replicas, registryBitsPerSecond, links }: FleetResult): string[] {
  const head = ['', 'all up s', 'from the registry GB', 'requests', 'its bandwidth in use']
  return [
    '',
    `${replicas} machines at once, a registry that sends ${formatBitRate(registryBitsPerSecond)}`,
    ...links.flatMap(({ title, starts }) => [
      '',
      `${title} each`,
      ...formatTable(
        head,
        starts.map(({ way, start, registryBytes, registryRequests, registryUse }) => [
          WAY_TITLES[way],
          start.totalSeconds.toFixed(2),
          (registryBytes / 1e9).toFixed(2),
          String(registryRequests),
          `${Math.round(registryUse * 100)} %`,
        ]),
      ),
    ]),
  ]
}

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(2)
}
