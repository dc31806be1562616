/** --pid: a container that runs already, by any process in it. */
import { readFileSync, readlinkSync, statSync } from 'node:fs'
import { PreconditionError, systemCodeOf } from '../../shared/errors.ts'
import { environmentNames, type Identity, splitZeros, type Target, type TargetEnd } from './target.ts'

const LOOK_MILLISECONDS = 100
const START_TIME_FIELD = 22

export class Attached implements Target {
  readonly pid: number
  readonly identity: Identity
  readonly ended: Promise<TargetEnd>
  #stop: () => void = () => undefined

  private constructor(pid: number) {
    this.pid = pid
    this.identity = identify(pid)
    this.ended = this.#end()
  }

  /** @throws {PreconditionError} PROCESS_MISSING, PROCESS_UNREADABLE, NAMESPACE_SHARED */
  static to(pid: number): Attached {
    try {
      if (namespaceOf(pid) === namespaceOf('self')) throw shared(pid)
      return new Attached(pid)
    } catch (cause) {
      const code = systemCodeOf(cause)
      if (code === undefined || cause instanceof PreconditionError) throw cause
      if (code === 'ENOENT' || code === 'ESRCH')
        throw new PreconditionError('PROCESS_MISSING', `there is no process ${pid}`, { cause })
      throw new PreconditionError(
        'PROCESS_UNREADABLE',
        `process ${pid} cannot be looked at (${code}): run as root`,
        { cause },
      )
    }
  }

  begin(): void {
    // It runs already.
  }

  cancel(): void {
    this.#stop()
  }

  #end(): Promise<TargetEnd> {
    const started = startTime(this.pid)
    return new Promise((resolve) => {
      const end = (rule: string, reason: string) => {
        clearInterval(look)
        resolve({ status: 0, signal: null, rule, reason })
      }
      const look = setInterval(() => {
        if (startTime(this.pid) !== started) end('exit', `process ${this.pid} ended`)
      }, LOOK_MILLISECONDS)
      this.#stop = () => end('cancel', 'nothing was watched')
      for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
        process.on(signal, () => end('signal', `ended by ${signal}`))
    })
  }
}

function namespaceOf(pid: number | 'self'): string {
  return readlinkSync(`/proc/${pid}/ns/mnt`)
}

function shared(pid: number): PreconditionError {
  return new PreconditionError(
    'NAMESPACE_SHARED',
    `process ${pid} (${readFileSync(`/proc/${pid}/comm`, 'utf8').trim()}) has the mounts of this machine, where its ` +
      'accesses cannot be told from all others; --pid is for a process in a container: run other commands as ' +
      '"notifier -- COMMAND"',
  )
}

/** Tells a process from a later one of the same number; undefined when it is gone or a zombie. */
function startTime(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    // The second field is the name in parentheses, which may hold anything.
    const [state, ...fields] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return state === 'Z' ? undefined : fields[START_TIME_FIELD - 4]
  } catch {
    return undefined
  }
}

function identify(pid: number): Identity {
  const { uid, gid } = statSync(`/proc/${pid}`)
  return {
    args: splitZeros(readFileSync(`/proc/${pid}/cmdline`)).map(String),
    envNames: environmentNames(readFileSync(`/proc/${pid}/environ`)),
    cwd: readlinkSync(`/proc/${pid}/cwd`),
    user: `${uid}:${gid}`,
  }
}
