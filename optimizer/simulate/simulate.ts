/** Predicted starts of an image over some links, pulled in full and lazily. docs/simulator.md is the model's text. */
import type { ImageAnalysis } from '../plan/analysis.ts'
import { CLIENT } from './client-model.ts'
import { factsAsIs, factsByRecord, type OwnTime, ownTime } from './facts-of-analysis.ts'
import { type Fleet, type FleetStart, fleetStart } from './fleet.ts'
import { fullPull } from './full-pull.ts'
import { lazyStart } from './lazy-start.ts'
import type { Link } from './link.ts'
import type { PredictedStart } from './predicted-start.ts'
import type { StartFacts } from './start-facts.ts'

/**
 * `full`: pulled in full; `lazy`: lazily, as it is; `by-record`: lazily, as it would be with what the record names
 * first.
 */
export type Way = 'full' | 'lazy' | 'by-record'

export interface LinkPrediction {
  link: Link
  starts: { way: Way; start: PredictedStart }[]
}

export interface FleetPrediction {
  link: Link
  starts: (FleetStart & { way: Way })[]
}

export interface Simulation {
  own: OwnTime
  links: LinkPrediction[]
  /** null where none was asked for. */
  fleet: FleetPrediction[] | null
}

/** @returns undefined where no record tells when what was read */
export function simulate(
  analysis: ImageAnalysis,
  links: readonly Link[],
  fleet: Fleet | null = null,
): Simulation | undefined {
  const files = analysis.layers.flatMap((layer) => layer.files)
  const own = ownTime(analysis.records[0]?.header ?? null, files)
  if (own === undefined) return undefined
  const ways = waysOf(analysis, own)
  return {
    own,
    links: links.map((link) => ({
      link,
      starts: ways.map(({ way, facts, predict }) => ({ way, start: predict(facts, link, CLIENT) })),
    })),
    fleet:
      fleet &&
      links.map((link) => ({
        link,
        starts: ways.map(({ way, facts, predict }) => ({ way, ...fleetStart(predict, facts, link, fleet) })),
      })),
  }
}

interface WayToStart {
  way: Way
  facts: StartFacts
  predict: typeof lazyStart
}

function waysOf(analysis: ImageAnalysis, own: OwnTime): WayToStart[] {
  const asIs = factsAsIs(analysis, own)
  const ways: WayToStart[] = [{ way: 'full', facts: asIs, predict: fullPull }]
  const isLazy = analysis.layers.some(({ tocBytes }) => tocBytes !== null)
  if (isLazy) ways.push({ way: 'lazy', facts: asIs, predict: lazyStart })
  const isOrdered = analysis.layers.some(({ landmark }) => landmark === 'prefetch')
  if (!isOrdered) ways.push({ way: 'by-record', facts: factsByRecord(analysis, own), predict: lazyStart })
  return ways
}
