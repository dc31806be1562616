import { createHash } from 'node:crypto'
import { PreconditionError } from '../../shared/errors.ts'

/** `sha256:<64 lowercase hex digits>`. @see OCI image spec, descriptor.md, "Digests" */
export type Digest = `sha256:${string}`

const PATTERN = /^sha256:[0-9a-f]{64}$/

export function isDigest(text: unknown): text is Digest {
  return typeof text === 'string' && PATTERN.test(text)
}

/** @throws {PreconditionError} DIGEST_INVALID */
export function requireDigest(text: unknown, where: string): Digest {
  if (isDigest(text)) return text
  throw new PreconditionError(
    'DIGEST_INVALID',
    `${where}: ${JSON.stringify(text)?.slice(0, 100)} is not a sha256 digest`,
  )
}

export function digestOf(bytes: Uint8Array | string): Digest {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`
}

/** Digest and length of bytes that pass by. */
export class DigestCounter {
  readonly #hash = createHash('sha256')
  sizeBytes = 0

  update(bytes: Uint8Array): void {
    this.#hash.update(bytes)
    this.sizeBytes += bytes.length
  }

  /** Once only. */
  digest(): Digest {
    return `sha256:${this.#hash.digest('hex')}`
  }
}
