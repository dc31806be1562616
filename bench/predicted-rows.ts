/** Stored rows beside what the model says of them; `node dist/bench/model-error.js` prints them all. */
import { CLIENT, type ClientModel } from '../optimizer/simulate/client-model.ts'
import { fullPull } from '../optimizer/simulate/full-pull.ts'
import { lazyStart } from '../optimizer/simulate/lazy-start.ts'
import { link } from '../optimizer/simulate/link.ts'
import type { PredictedStart } from '../optimizer/simulate/predicted-start.ts'
import type { MeasuredStart, StoredLink, StoredRow, StoredStarts } from './stored-starts.ts'

/** What this machine's loopback is for a registry and a proxy of ours. */
const LOOPBACK = link(4e9, 0.0005)

/** Shares by which the prediction is more than what was measured. */
export interface PredictionErrors {
  totalSeconds: number
  wireBytes: number
  requests: number
}

export interface PredictedRow {
  predicted: PredictedStart
  measured: MeasuredStart
  errors: PredictionErrors
}

export function predictedRow(
  stored: StoredStarts,
  row: StoredRow,
  linkName: string,
  client: ClientModel = CLIENT,
): PredictedRow {
  const measured = row.measured[linkName] as MeasuredStart
  const predict = row.facts.layers.some(({ lazy }) => lazy !== null) ? lazyStart : fullPull
  const predicted = predict(row.facts, linkOf(stored.links[linkName] ?? null), client)
  const error = (key: keyof PredictionErrors) => predicted[key] / measured[key] - 1
  return {
    predicted,
    measured,
    errors: {
      totalSeconds: error('totalSeconds'),
      wireBytes: error('wireBytes'),
      requests: error('requests'),
    },
  }
}

function linkOf(stored: StoredLink): ReturnType<typeof link> {
  return stored === null ? LOOPBACK : link(stored.bitsPerSecond, stored.roundTripSeconds)
}
