/** Accesses from a log of strace: files that were opened or executed with success. */
import { cleanPath } from '../tar/path-key.ts'
import { type ForeignAccess, type ForeignAccesses, ForeignFormatError } from './foreign-access.ts'

/** `[pid 7] ` or `7 `, a time in one of strace's forms, and the rest. */
const LINE = /^ *(?:\[pid +(\d+)\] +|(\d+) +)?(?:(\d{2}:\d{2}:\d{2}(?:\.\d+)?|\d+\.\d+) +)?(.*)$/
const CALL = /^(open|openat|openat2|execve|execveat)\((.*)$/
const RESUMED = /^<\.\.\. (open|openat|openat2|execve|execveat) resumed>(.*)$/
const UNFINISHED = / *<unfinished \.\.\.>$/
/** The result: a number, with `-y` the file that it stands for, with `-T` the time that it took. */
const RESULT = /\) += (\d+)(?:<((?:[^<>\\]|\\.)*)>)?(?: <\d+\.\d+>)?$/
/** A folder that the path is relative to, with `-y`, and the path. */
const PATH = /^(?:(?:AT_FDCWD|\d+)(?:<((?:[^<>\\]|\\.)*)>)?, )?"((?:[^"\\]|\\.)*)"/
const SECONDS_OF_DAY = 86_400

/**
 * With or without `-f`, `-y`, `-t`, `-tt`, `-ttt` and `-r`, to a file (`-o`) or as it is shown.
 * @throws {ForeignFormatError} no line is a call of strace
 */
export function parseStrace(text: string): ForeignAccesses {
  const log = new StraceLog()
  for (const line of text.split('\n')) log.take(line)
  if (!log.isStrace) throw new ForeignFormatError('no line is a system call as strace writes them')
  return log
}

class StraceLog implements ForeignAccesses {
  readonly accesses: ForeignAccess[] = []
  unresolved = 0
  isStrace = false
  started: Date | null = null
  readonly #clock = new StraceClock()
  /** Calls that another process has interrupted, by pid. */
  readonly #unfinished = new Map<number, string>()
  readonly #commands = new Map<number, string>()

  take(line: string): void {
    const [, shown, plain, time, rest = ''] = LINE.exec(line) ?? []
    const pid = Number(shown ?? plain ?? 0)
    if (/^\w+\(.*|^<\.\.\. \w+ resumed>/.test(rest)) this.isStrace = true
    const microseconds = this.#clock.read(time)
    this.started ??= this.#clock.started
    const call = this.#whole(rest, pid)
    if (call !== null) this.#takeCall(call, pid, microseconds)
  }

  /** null until a call has its result. */
  #whole(rest: string, pid: number): string | null {
    const resumed = RESUMED.exec(rest)
    if (resumed !== null) {
      const begun = this.#unfinished.get(pid)
      this.#unfinished.delete(pid)
      return begun === undefined ? null : `${begun}${resumed[2]}`
    }
    if (!CALL.test(rest)) return null
    if (!UNFINISHED.test(rest)) return rest
    this.#unfinished.set(pid, rest.replace(UNFINISHED, ''))
    return null
  }

  #takeCall(call: string, pid: number, microseconds: number): void {
    const [, name = '', args = ''] = CALL.exec(call) ?? []
    const result = RESULT.exec(args)
    const named = PATH.exec(args)
    if (result === null || named === null) return
    const path = resolved(named, result[2])
    const isExec = name.startsWith('exec')
    if (isExec) this.#commands.set(pid, (named[2] ?? '').split('/').at(-1)?.slice(0, 15) ?? '')
    if (path === null) {
      this.unresolved++
      return
    }
    const command = this.#commands.get(pid) ?? null
    this.accesses.push({ path, place: null, kind: isExec ? 'exec' : 'open', microseconds, pid, command })
  }
}

/** @param opened what the result stands for. @returns null where the path is relative to nobody knows what */
function resolved([, folder, name = '']: RegExpExecArray, opened: string | undefined): string | null {
  if (opened?.startsWith('/')) return cleanPath(unescaped(opened))
  if (name.startsWith('/')) return cleanPath(unescaped(name))
  return folder === undefined ? null : cleanPath(unescaped(`${folder}/${name}`))
}

const ESCAPES: Record<string, number> = {
  n: 10,
  t: 9,
  r: 13,
  v: 11,
  f: 12,
  '"': 34,
  '\\': 92,
  '<': 60,
  '>': 62,
}

/** C's escapes: octal, `\x`, and letters. */
function unescaped(text: string): Buffer {
  const bytes: number[] = []
  for (const [part, octal, hex, letter] of text.matchAll(/\\([0-7]{1,3})|\\x([0-9a-f]{2})|\\(.)|[^\\]+/gs)) {
    if (octal !== undefined) bytes.push(Number.parseInt(octal, 8))
    else if (hex !== undefined) bytes.push(Number.parseInt(hex, 16))
    else if (letter !== undefined) bytes.push(ESCAPES[letter] ?? letter.charCodeAt(0))
    else bytes.push(...Buffer.from(part))
  }
  return Buffer.from(bytes)
}

/** Of the forms of time that strace has: of day, of the epoch, since the line before. */
class StraceClock {
  started: Date | null = null
  #first: number | null = null
  #last = 0

  /** @returns microseconds since the first line with a time */
  read(time: string | undefined): number {
    if (time === undefined) return this.#last
    const seconds = secondsOf(time)
    if (!time.includes(':') && seconds < 1e8) {
      this.#last += Math.round(seconds * 1e6)
      return this.#last
    }
    if (this.#first === null) {
      this.#first = seconds
      if (!time.includes(':')) this.started = new Date(seconds * 1000)
    }
    const since = seconds - this.#first
    // A day has ended.
    this.#last = Math.round((since < 0 && time.includes(':') ? since + SECONDS_OF_DAY : since) * 1e6)
    return this.#last
  }
}

function secondsOf(time: string): number {
  return time.split(':').reduce((sum, part) => sum * 60 + Number(part), 0)
}
