import { CodedError, EXIT, messageOf, systemCodeOf } from '../shared/errors.ts'

/** A system call failed. `code` names the operation, `systemCode` the errno (`EPERM`, …). */
export class NativeError extends CodedError {
  readonly systemCode: string | undefined
  readonly errno: number | undefined
  /** The system call that failed. */
  readonly syscall: string | undefined

  constructor(code: string, message: string, cause: unknown) {
    const systemCode = systemCodeOf(cause)
    const missing = systemCode === 'EPERM' || systemCode === 'ENOSYS' || systemCode === 'EOPNOTSUPP'
    super(code, message, { cause, exitCode: missing ? EXIT.precondition : EXIT.unexpected })
    const facts = (cause ?? {}) as NodeJS.ErrnoException
    this.systemCode = systemCode
    this.errno = typeof facts.errno === 'number' ? Math.abs(facts.errno) : undefined
    this.syscall = typeof facts.syscall === 'string' ? facts.syscall : undefined
  }
}

/**
 * Runs what may throw an errno and gives the error its sentence: `<doing>: <errno text>[; <advice>]`.
 * @throws {NativeError} with `code`
 */
export function orNativeError<T>(code: string, doing: string, advice: string, call: () => T): T {
  try {
    return call()
  } catch (cause) {
    if (cause instanceof CodedError) throw cause
    const details = (cause as { details?: unknown }).details
    const said = typeof details === 'string' ? ` (the file system says: ${details.trim()})` : ''
    const hint = systemCodeOf(cause) === 'EPERM' && advice !== '' ? `; ${advice}` : ''
    throw new NativeError(code, `${doing}: ${messageOf(cause)}${said}${hint}`, cause)
  }
}
