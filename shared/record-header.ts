/** The first line of a record file, checked field by field. docs/record.md is its text. */
import { COUNTER_NAMES } from './messages.ts'
import type {
  DrivenStep,
  RecordCounters,
  RecordedImage,
  RecordedStop,
  RecordedWorkload,
  RecordHeader,
  RecordSource,
} from './record.ts'

type Json = Record<string, unknown>

/** A field is not as it should be; the message is a phrase that begins with its name. */
export class HeaderFieldError extends Error {}

/** @returns the fields that are known; unknown ones are left out. @throws {HeaderFieldError} */
export function headerFromJson(json: Json): RecordHeader {
  const workload = map(json, 'workload')
  const mark = map(json, 'mark')
  const complete = boolean(json, 'complete')
  const incompleteReasons = texts(json, 'incompleteReasons')
  if (complete !== (incompleteReasons.length === 0))
    throw new HeaderFieldError('complete must be true where incompleteReasons is empty, and false elsewhere')
  return {
    schemaVersion: count(json, 'schemaVersion'),
    recordedBy: text(json, 'recordedBy'),
    image: json.image === null ? null : image(map(json, 'image')),
    workload: {
      args: texts(workload, 'args'),
      envNames: texts(workload, 'envNames'),
      cwd: text(workload, 'cwd'),
      user: text(workload, 'user'),
    },
    kernel: text(json, 'kernel'),
    mark: { kind: markKind(mark), reason: text(mark, 'reason') },
    reads: boolean(json, 'reads'),
    stop: stopFromJson(map(json, 'stop')),
    ...(json.drive === undefined ? {} : { drive: drivenSteps(json) }),
    ...(json.workloads === undefined ? {} : { workloads: workloads(json) }),
    ...(json.sources === undefined ? {} : { sources: sources(json) }),
    ...(json.rebasedFrom === undefined ? {} : { rebasedFrom: image(map(json, 'rebasedFrom')) }),
    started: text(json, 'started'),
    durationSeconds: number(json, 'durationSeconds'),
    exitStatus: orNull(json, 'exitStatus', count),
    counters: counters(map(json, 'counters')),
    complete,
    incompleteReasons,
  }
}

function image(json: Json): RecordedImage {
  return {
    reference: text(json, 'reference'),
    manifestDigest: text(json, 'manifestDigest'),
    platform: text(json, 'platform'),
  }
}

function stopFromJson(json: Json): RecordedStop {
  return {
    rule: text(json, 'rule'),
    reason: text(json, 'reason'),
    readySeconds: orNull(json, 'readySeconds', number),
  }
}

function drivenSteps({ drive }: Json): DrivenStep[] {
  if (!Array.isArray(drive)) throw new HeaderFieldError('drive must be an array')
  return drive.map((step: unknown) => {
    if (typeof step !== 'object' || step === null)
      throw new HeaderFieldError('drive must be an array of objects')
    const json = step as Json
    const status = orNull(json, 'status', count)
    return json.exec === undefined
      ? { http: text(json, 'http'), status }
      : { exec: texts(json, 'exec'), status }
  })
}

function workloads(json: Json): RecordedWorkload[] {
  if (!Array.isArray(json.workloads)) throw new HeaderFieldError('workloads must be an array')
  return json.workloads.map((_, index) => {
    const one = map(json.workloads as Json, String(index))
    return {
      name: text(one, 'name'),
      args: texts(one, 'args'),
      stop: stopFromJson(map(one, 'stop')),
      ...(one.drive === undefined ? {} : { drive: drivenSteps(one) }),
      started: text(one, 'started'),
      durationSeconds: number(one, 'durationSeconds'),
      exitStatus: orNull(one, 'exitStatus', count),
      files: count(one, 'files'),
    }
  })
}

function sources(json: Json): RecordSource[] {
  if (!Array.isArray(json.sources)) throw new HeaderFieldError('sources must be an array')
  return json.sources.map((_, index) => {
    const one = map(json.sources as Json, String(index))
    return {
      file: text(one, 'file'),
      digest: text(one, 'digest'),
      args: texts(one, 'args'),
      started: text(one, 'started'),
      durationSeconds: number(one, 'durationSeconds'),
      files: count(one, 'files'),
      weight: number(one, 'weight'),
      complete: boolean(one, 'complete'),
    }
  })
}

function markKind({ kind }: Json): RecordHeader['mark']['kind'] {
  if (kind === 'filesystem' || kind === 'mount') return kind
  throw new HeaderFieldError('mark.kind must be "filesystem" or "mount"')
}

function counters(json: Json): RecordCounters {
  const result = {
    received: count(json, 'received'),
    outsideLayers: count(json, 'outsideLayers'),
    madeAtRunTime: orNull(json, 'madeAtRunTime', count),
    copiedUp: count(json, 'copiedUp'),
    byProbe: count(json, 'byProbe'),
    createLeftOut: count(json, 'createLeftOut'),
  } as RecordCounters
  for (const name of COUNTER_NAMES) result[name] = count(json, name)
  return result
}

function map(json: Json, name: string): Json {
  const value = json[name]
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Json
  throw new HeaderFieldError(`${name} must be an object`)
}

function text(json: Json, name: string): string {
  const value = json[name]
  if (typeof value === 'string') return value
  throw new HeaderFieldError(`${name} must be a string`)
}

function texts(json: Json, name: string): string[] {
  const value = json[name]
  if (Array.isArray(value) && value.every((item) => typeof item === 'string')) return value
  throw new HeaderFieldError(`${name} must be an array of strings`)
}

function boolean(json: Json, name: string): boolean {
  const value = json[name]
  if (typeof value === 'boolean') return value
  throw new HeaderFieldError(`${name} must be true or false`)
}

function number(json: Json, name: string): number {
  const value = json[name]
  // Beyond what a double holds JSON.parse gives Infinity, which JSON cannot write.
  if (typeof value === 'number' && Number.isFinite(value) && value >= 0) return value + 0
  throw new HeaderFieldError(`${name} must be a number of at least 0`)
}

function count(json: Json, name: string): number {
  const value = json[name]
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value + 0
  throw new HeaderFieldError(`${name} must be an integer of at least 0`)
}

function orNull<T>(json: Json, name: string, read: (json: Json, name: string) => T): T | null {
  return json[name] === null ? null : read(json, name)
}
