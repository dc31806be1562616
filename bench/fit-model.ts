/**
 * Times and rates of a client, fitted to stored rows of measured starts: by steps that get smaller, one number after
 * the other, from the same round guess whatever the rows are. The same rows give the same numbers.
 */
import { CLIENT, type ClientModel } from '../optimizer/simulate/client-model.ts'
import { predictedRow } from './predicted-rows.ts'
import type { StoredStarts } from './stored-starts.ts'

/** Of no image: orders of magnitude. What is not fitted is as it is in the model. */
const GUESS: ClientModel = {
  ...CLIENT,
  tocFilesPerSecond: 50_000,
  contentBytesPerSecond: { ...CLIENT.contentBytesPerSecond, gzip: 50e6, zstd: 100e6 },
  cachedFileSeconds: 0.001,
  readFileSeconds: 0.001,
  unpackBytesPerSecond: { ...CLIENT.unpackBytesPerSecond, gzip: 50e6 },
}

/** As factors: e^0.4 is half as much again. */
const STEP_FIRST = 0.4
const STEP_LAST = 0.05
/** What changes less is no improvement: numbers that stand in for each other would be traded for ever. */
const BETTER_SHARE = 0.9995
/** The whole start counts most, its two parts tell numbers apart that it does not. */
const WEIGHTS = { totalSeconds: 1, pullSeconds: 0.1, runSeconds: 0.1 } as const
/** What rows say nothing of stays where the guess is. */
const GUESS_WEIGHT = 0.001

type Parameter = (model: ClientModel, factor: number) => ClientModel

type TimeKey = 'tocFilesPerSecond' | 'cachedFileSeconds' | 'readFileSeconds'

const time =
  (key: TimeKey): Parameter =>
  (model, factor) => ({ ...model, [key]: model[key] * factor })

const rate =
  (key: 'contentBytesPerSecond' | 'unpackBytesPerSecond', compression: 'gzip' | 'zstd'): Parameter =>
  (model, factor) => ({ ...model, [key]: { ...model[key], [compression]: model[key][compression] * factor } })

/** As few as rows tell apart: with more of them a model knows the images that it was fitted to better, and others worse. */
const PARAMETERS: readonly Parameter[] = [
  rate('unpackBytesPerSecond', 'gzip'),
  rate('contentBytesPerSecond', 'gzip'),
  rate('contentBytesPerSecond', 'zstd'),
  time('cachedFileSeconds'),
  time('readFileSeconds'),
  time('tocFilesPerSecond'),
]

export function fittedModel(starts: readonly StoredStarts[]): ClientModel {
  const logs = PARAMETERS.map(() => 0)
  let best = misfit(starts, modelOf(logs), logs)
  for (let step = STEP_FIRST; step >= STEP_LAST; step /= 2)
    for (let better = true; better; ) {
      better = false
      for (const index of PARAMETERS.keys())
        for (const change of [step, -step]) {
          const tried = logs.map((log, at) => (at === index ? log + change : log))
          const found = misfit(starts, modelOf(tried), tried)
          if (found >= best * BETTER_SHARE) continue
          ;[best, logs[index], better] = [found, tried[index] as number, true]
          break
        }
    }
  return modelOf(logs)
}

function modelOf(logs: readonly number[]): ClientModel {
  return PARAMETERS.reduce((model, parameter, index) => parameter(model, Math.exp(logs[index] ?? 0)), GUESS)
}

function misfit(starts: readonly StoredStarts[], model: ClientModel, logs: readonly number[]): number {
  let sum = logs.reduce((total, log) => total + GUESS_WEIGHT * log ** 2, 0)
  for (const stored of starts)
    for (const row of stored.rows)
      for (const link of Object.keys(row.measured)) {
        const { predicted, measured } = predictedRow(stored, row, link, model)
        for (const [key, weight] of Object.entries(WEIGHTS) as [keyof typeof WEIGHTS, number][])
          sum += weight * Math.log(predicted[key] / measured[key]) ** 2
      }
  return sum
}
