/** Whether a host has something, and how large it is: by HEAD, or by the beginning of a GET where HEAD does not tell. */
import { DOCUMENT_BYTES_MAX } from '../image/manifest.ts'
import { invalidAnswer } from './errors.ts'
import { ACCEPTED_DOCUMENTS } from './media-types.ts'
import type { Session } from './session.ts'
import { type HttpAnswer, readSmall } from './transport.ts'

export interface Asking {
  /** `/blobs/DIGEST` or `/manifests/DIGEST`, below the repository. */
  at: string
  /** For messages. */
  what: string
  /** What a host that does not say it is taken to have. */
  promisedBytes?: number | undefined
  /** Absence is worth a second question. */
  isWanted: boolean
}

/** Those that have shown that they do not answer HEAD. */
const withoutHead = new WeakSet<Session>()
/** It does not know the method. */
const UNKNOWN_METHOD = [405, 501]

/** @returns undefined where it is not there */
export async function sizeIn(session: Session, asking: Asking): Promise<number | undefined> {
  if (withoutHead.has(session)) return await sizeByReading(session, asking)
  const answer = await session.call({
    ...request(asking),
    method: 'HEAD',
    expects: [200, 404, ...UNKNOWN_METHOD],
    // An address may be signed for GET alone.
    expectsElsewhere: [400, 403, ...UNKNOWN_METHOD],
  })
  await answer.drop()
  const size = answer.status === 200 ? lengthOf(answer) : undefined
  if (size !== undefined) return size
  if (answer.status === 404 && !asking.isWanted) return undefined
  const read = await sizeByReading(session, asking)
  if (read !== undefined) withoutHead.add(session)
  return read
}

async function sizeByReading(session: Session, asking: Asking): Promise<number | undefined> {
  const { promisedBytes, what } = asking
  const { headers, ...rest } = request(asking)
  const isDocument = headers !== undefined
  const answer = await session.call({
    ...rest,
    method: 'GET',
    headers: headers ?? { range: 'bytes=0-0' },
    expects: isDocument ? [200, 404] : [200, 206, 404, 416],
  })
  const told = answer.status === 200 ? lengthOf(answer) : totalOf(answer)
  const isToBeCounted = isDocument && answer.status === 200 && told === undefined
  const size = told ?? (isToBeCounted ? await counted(session, answer, what) : promisedBytes)
  await answer.drop()
  if (answer.status === 404) return undefined
  if (size !== undefined) return size
  throw invalidAnswer(`${session.host} does not say how large ${what} is`)
}

async function counted(session: Session, answer: HttpAnswer, what: string): Promise<number | undefined> {
  try {
    return (await readSmall(answer, DOCUMENT_BYTES_MAX))?.length
  } catch (error) {
    throw await session.explain(error, what)
  }
}

function request({ at, what }: Asking): { at: string; what: string; headers?: Record<string, string> } {
  const isDocument = at.startsWith('/manifests/')
  return { at, what, ...(isDocument ? { headers: { accept: ACCEPTED_DOCUMENTS } } : {}) }
}

function lengthOf(answer: HttpAnswer): number | undefined {
  return numberOf(answer.header('content-length'))
}

/** `bytes 0-0/1234`; of an empty blob there is no part: `bytes *\/0`. */
function totalOf(answer: HttpAnswer): number | undefined {
  return numberOf(/\/\s*(\d+)\s*$/.exec(answer.header('content-range') ?? '')?.[1])
}

function numberOf(text: string | undefined): number | undefined {
  const size = Number(text ?? Number.NaN)
  return Number.isSafeInteger(size) && size >= 0 ? size : undefined
}
