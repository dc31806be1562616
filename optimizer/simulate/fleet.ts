/**
 * Many machines that start the same image at the same moment, from one registry. On paper: they are alike and go in
 * step, so each has its share of the registry's way out, or its own link where that is narrower.
 */
import { CLIENT, type ClientModel } from './client-model.ts'
import { type Link, link } from './link.ts'
import type { PredictedStart } from './predicted-start.ts'
import type { StartFacts } from './start-facts.ts'

export interface Fleet {
  replicas: number
  registryBitsPerSecond: number
}

export interface FleetStart {
  /** Of each of them. */
  start: PredictedStart
  /** Until all are up: those of the registry. */
  registryBytes: number
  registryRequests: number
  /** Share of that time in which the registry's way out is full; at most 1. */
  registryUse: number
}

export function fleetStart(
  predict: (facts: StartFacts, link: Link, client: ClientModel) => PredictedStart,
  facts: StartFacts,
  own: Link,
  { replicas, registryBitsPerSecond }: Fleet,
): FleetStart {
  const share = Math.min(own.bitsPerSecond, registryBitsPerSecond / replicas)
  const start = predict(facts, link(share, own.roundTripSeconds), CLIENT)
  const registryBytes = start.wireBytes * replicas
  return {
    start,
    registryBytes,
    registryRequests: start.requests * replicas,
    registryUse: (registryBytes * 8) / registryBitsPerSecond / start.totalSeconds,
  }
}
