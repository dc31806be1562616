/** What a writer was given against what it is told to have been given, before a blob gets its name. */
import { CodedError } from '../../shared/errors.ts'
import type { Digest, DigestCounter } from '../image/digest.ts'

/**
 * Ends the count.
 * @param ref names the ingest in the message
 * @returns digest and size, both as expected
 * @throws {CodedError} CONTENT_MISMATCH
 */
export function requireExpected(
  ref: string,
  counter: DigestCounter,
  expected: { digest: Digest; sizeBytes: number },
): { digest: Digest; sizeBytes: number } {
  const { sizeBytes } = counter
  const digest = counter.digest()
  if (digest === expected.digest && sizeBytes === expected.sizeBytes) return { digest, sizeBytes }
  const written = `${sizeBytes} bytes with ${digest} were written`
  const message = `${ref}: ${written}, not ${expected.sizeBytes} with ${expected.digest}`
  throw new CodedError('CONTENT_MISMATCH', message)
}
