/** The one border where gRPC statuses become our errors. */
import { type ServiceError, status } from '@grpc/grpc-js'
import {
  CodedError,
  InterruptedError,
  messageOf,
  NotFoundError,
  PreconditionError,
} from '../../shared/errors.ts'

import { hasRootlessContainerd, otherSockets } from './known-sockets.ts'

/** The thing to be created is there already. */
export class AlreadyExistsError extends CodedError {
  constructor(message: string, options: { cause?: unknown } = {}) {
    super('ALREADY_EXISTS', message, options)
  }
}

/** No daemon answers at the socket, or it went away. */
export class ContainerdUnavailableError extends PreconditionError {
  constructor(message: string, options: { cause?: unknown } = {}) {
    super('CONTAINERD_UNAVAILABLE', message, options)
  }
}

/** containerd refused or failed. Codes: CONTAINERD_ERROR, CONTAINERD_TIMEOUT, CONTENT_MISMATCH. */
export class ContainerdError extends CodedError {}

/** Where a call went and what it was about, for the sentence. */
export interface CallContext {
  address: string
  namespace: string
  /** What the call is about, as a noun: `image "web:1"`. */
  what: string
  /** Service and method as on the wire. */
  method: string
  signal?: AbortSignal | undefined
}

/** @param what is written, as a noun. @param details as the system tells them */
export function storeFullError(what: string, details: string, cause: unknown): PreconditionError {
  const message = `${what}: the disk of containerd's root folder is full (${details}): make room there`
  return new PreconditionError('STORE_FULL', message, { cause })
}

/** What a failed call throws. Errors that are not gRPC's pass unchanged. */
export function toCodedError(cause: unknown, context: CallContext): unknown {
  if (!isServiceError(cause)) return cause
  const { address, namespace, what, method } = context
  const details = inOneLine(cause.details)
  if (context.signal?.aborted) return new InterruptedError(`interrupted: ${what}`)
  if (/no space left on device|disk quota exceeded/.test(details)) return storeFullError(what, details, cause)
  switch (cause.code) {
    case status.NOT_FOUND:
      return new NotFoundError(
        `${what} does not exist in containerd's namespace "${namespace}" (${details})`,
        { cause },
      )
    case status.ALREADY_EXISTS:
      return new AlreadyExistsError(`${what} exists already (${details})`, { cause })
    case status.UNAVAILABLE:
      if (!/locked/.test(details))
        return new ContainerdUnavailableError(unavailable(address, details), { cause })
      break
    case status.UNIMPLEMENTED:
      if (isGreeting(method)) return new ContainerdUnavailableError(noContainerd(address), { cause })
      break
    case status.DEADLINE_EXCEEDED:
      return isGreeting(method)
        ? new ContainerdUnavailableError(
            `containerd at ${address} takes connections, but does not answer: look at its log, or restart it`,
            { cause },
          )
        : new ContainerdError(
            'CONTAINERD_TIMEOUT',
            `${what}: containerd at ${address} did not answer ${method} in time`,
            { cause },
          )
    case status.INVALID_ARGUMENT:
      if (/snapshotter not loaded/.test(details))
        return new PreconditionError('SNAPSHOTTER_UNKNOWN', `${what}: ${details}; name one that is loaded`, {
          cause,
        })
      break
    case status.FAILED_PRECONDITION:
      if (/unexpected commit/.test(details))
        return new ContainerdError('CONTENT_MISMATCH', `${what}: ${details}`, { cause })
      break
  }
  return new ContainerdError('CONTAINERD_ERROR', `${what}: containerd answered ${method} with: ${details}`, {
    cause,
  })
}

/** The first call of a connection: every containerd answers it. */
function isGreeting(method: string): boolean {
  return method.endsWith('Version/Version')
}

function isServiceError(error: unknown): error is ServiceError {
  return error instanceof Error && typeof (error as Partial<ServiceError>).details === 'string'
}

function unavailable(address: string, details: string): string {
  return `${whyUnavailable(address, details)}${whereElse(address)}`
}

function whereElse(address: string): string {
  const others = otherSockets(address)
  const here = others === '' ? '' : ` (${others})`
  return hasRootlessContainerd()
    ? `${here}; the rootless containerd of this user cannot be used: the kernel lets only the machine's root watch a file system. Take the image from its registry (docker://…) or an archive (docker-archive:FILE)`
    : here
}

const START_OR =
  'start containerd, name its socket with --address, or take the image from elsewhere (docker://NAME, oci:DIR)'

function whyUnavailable(address: string, details: string): string {
  if (/ENOENT/.test(details)) return `there is no containerd socket at ${address}: ${START_OR}`
  if (/EACCES|EPERM/.test(details))
    return `the containerd socket ${address} may not be used by this user: run this as root (sudo)`
  if (/ECONNREFUSED/.test(details)) return `nothing answers at the containerd socket ${address}: ${START_OR}`
  if (/protocol error/i.test(details)) return noContainerd(address)
  return `containerd at ${address} is not available: ${details}`
}

function noContainerd(address: string): string {
  return `what answers at ${address} is not containerd (docker.sock is not, either): name its own socket with --address`
}

/**
 * Runs a step that must be there or must be gone afterwards.
 * @returns false when the thing did not exist
 */
export async function ifFound(step: Promise<unknown>): Promise<boolean> {
  try {
    await step
    return true
  } catch (error) {
    if (error instanceof NotFoundError) return false
    throw error
  }
}

/** containerd's own words about a failure, without ours around them. */
export function detailsOf(error: unknown): string {
  const cause = error instanceof Error ? error.cause : undefined
  return isServiceError(cause) ? inOneLine(cause.details) : messageOf(error)
}

/** What a program that it runs has said ends with a newline. */
function inOneLine(details: string): string {
  return details.trim().replace(/\s*\n\s*/g, '; ')
}
