/** What the process ends with. docs/cli.md lists the meanings for users. */
export const EXIT = {
  done: 0,
  unexpected: 1,
  usage: 2,
  precondition: 3,
  workload: 4,
  incompleteRecord: 5,
  verification: 6,
  interrupted: 130,
} as const

export type ExitCode = (typeof EXIT)[keyof typeof EXIT]

/**
 * Base of every error raised on purpose. Programs match on `code` (stable, SCREAMING_SNAKE_CASE); people read
 * `message`: one sentence with what happened, where, and what to do. The cause is kept, never pasted in whole.
 */
export class CodedError extends Error {
  readonly code: string
  /** Exit status of a process that ends because of this error. */
  readonly exitCode: ExitCode

  constructor(code: string, message: string, options: { cause?: unknown; exitCode?: ExitCode } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = new.target.name
    this.code = code
    this.exitCode = options.exitCode ?? EXIT.unexpected
  }
}

/** The command line or an option's value is wrong; nothing has been done. */
export class UsageError extends CodedError {
  constructor(code: string, message: string, options: { cause?: unknown } = {}) {
    super(code, message, { ...options, exitCode: EXIT.usage })
  }
}

/** Something the command needs is missing or unfit: privilege, daemon, image, platform, a sound layer. */
export class PreconditionError extends CodedError {
  constructor(code: string, message: string, options: { cause?: unknown } = {}) {
    super(code, message, { ...options, exitCode: EXIT.precondition })
  }
}

/** The thing asked for does not exist in a store. */
export class NotFoundError extends PreconditionError {
  constructor(message: string, options: { cause?: unknown } = {}) {
    super('NOT_FOUND', message, options)
  }
}

/** The workload failed or never got ready. */
export class WorkloadError extends CodedError {
  constructor(code: string, message: string, options: { cause?: unknown } = {}) {
    super(code, message, { ...options, exitCode: EXIT.workload })
  }
}

/** The record is known to miss accesses. */
export class IncompleteRecordError extends CodedError {
  constructor(message: string, options: { cause?: unknown } = {}) {
    super('RECORD_INCOMPLETE', message, { ...options, exitCode: EXIT.incompleteRecord })
  }
}

/** SIGINT or SIGTERM asked us to stop. */
export class InterruptedError extends CodedError {
  constructor(message = 'interrupted') {
    super('INTERRUPTED', message, { exitCode: EXIT.interrupted })
  }
}

/** The text of anything thrown, for a log line. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** The Node error code (`ENOENT`, …) of anything thrown, or undefined. */
export function systemCodeOf(error: unknown): string | undefined {
  const code = error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined
  return typeof code === 'string' ? code : undefined
}

/** What Node throws wherever a relative path meets a working directory that was removed, as ours; all else as it is. */
export function asCoded(error: unknown): unknown {
  if (systemCodeOf(error) !== 'ENOENT' || (error as NodeJS.ErrnoException).syscall !== 'uv_cwd') return error
  const message = 'the working directory has been removed, relative paths lead nowhere: change to another one'
  return new PreconditionError('DIRECTORY_REMOVED', message, { cause: error })
}
