/** A stand-alone run from its marks to its exit status. */
import { closeSync, openSync, readFileSync, readlinkSync } from 'node:fs'
import { constants } from 'node:os'
import { FanotifyGroup } from '../../native/fanotify.ts'
import { endBySignal } from '../../native/signals.ts'
import { NativeError } from '../../native/system-error.ts'
import { wantsColour } from '../../shared/colour.ts'
import { EXIT, messageOf, PreconditionError, UsageError } from '../../shared/errors.ts'
import type { Counters } from '../../shared/messages.ts'
import { printable } from '../../shared/text.ts'
import { Attached } from './attached.ts'
import { Command, CommandError } from './command.ts'
import { parseCommandLine, type StandAloneRequest } from './command-line.ts'
import { jsonLine, listFormat } from './formats.ts'
import type { ListFormat, RunEnd, RunStart } from './list-format.ts'
import { parseMountInfo, watchedPaths } from './mounts.ts'
import { completion } from './options.ts'
import { Output } from './output.ts'
import { SeenFiles } from './seen-files.ts'
import { summarize, summaryText } from './summary.ts'
import type { Target } from './target.ts'

/** Reads of the kernel's queue before what they found is written. */
const READS_PER_WRITE = 8

/** @returns the exit status; does not return where the command was ended by a signal */
export async function runStandAlone(args: string[], program: string): Promise<number> {
  const request = parseCommandLine(args)
  if (!('target' in request)) {
    await Output.to('-').write(textOf(request, program))
    return EXIT.done
  }
  requireProc()
  const group = openGroup()
  const output = Output.to(request.output)
  const target =
    'pid' in request.target ? Attached.to(request.target.pid) : await Command.prepare(request.target)
  try {
    return await new StandAloneRun({ request, group, output, target, program }).run()
  } catch (error) {
    if (error instanceof CommandError) {
      await say(error.message)
      return error.status
    }
    throw error
  } finally {
    target.cancel()
    group.close()
  }
}

function textOf(
  request: Exclude<ReturnType<typeof parseCommandLine>, StandAloneRequest>,
  program: string,
): string {
  if ('help' in request) return request.help
  return 'version' in request ? `${program}\n` : completion(request.completion)
}

/** Paths, names and mounts are all found there. @throws {PreconditionError} PROC_UNUSABLE */
function requireProc(): void {
  let self = ''
  try {
    self = readlinkSync('/proc/self')
  } catch {
    // Then it is not this process's number.
  }
  if (self === String(process.pid)) return
  throw new PreconditionError(
    'PROC_UNUSABLE',
    '/proc is not mounted, or is that of another pid namespace: mount -t proc proc /proc (unshare has --mount-proc)',
  )
}

/** @throws {PreconditionError} PRIVILEGE_MISSING, with what to do about it */
function openGroup(): FanotifyGroup {
  try {
    return new FanotifyGroup({ regularFilesOnly: true })
  } catch (cause) {
    if (!(cause instanceof NativeError) || cause.systemCode !== 'EPERM') throw cause
    throw new PreconditionError(
      'PRIVILEGE_MISSING',
      'watching files needs CAP_SYS_ADMIN outside of any user namespace: run it as root, as in ' +
        '"sudo notifier -- COMMAND" (in a container, with --cap-add SYS_ADMIN)',
      { cause },
    )
  }
}

/** For people, whatever is listed where. */
async function say(message: string): Promise<void> {
  await Output.stderr().write(`notifier: ${printable(message)}\n`)
}

interface Parts {
  request: StandAloneRequest
  group: FanotifyGroup
  output: Output
  target: Target
  program: string
}

class StandAloneRun {
  readonly #parts: Parts
  readonly #format: ListFormat
  readonly #rootDescriptor: number
  readonly #namespaceDescriptor: number
  /** Counted here, since what is filtered out was not sent to anybody. */
  #sent = 0

  constructor(parts: Parts) {
    this.#parts = parts
    const { request, output, program } = parts
    this.#format = listFormat(request.format, {
      colour: wantsColour(output.isTerminal),
      zero: request.zero,
      program,
    })
    // Held, as the process may be gone. Without its namespace the mounts fall apart, and paths begin where they begin.
    this.#rootDescriptor = openSync(`/proc/${parts.target.pid}/root`, 'r')
    this.#namespaceDescriptor = openSync(`/proc/${parts.target.pid}/ns/mnt`, 'r')
  }

  async run(): Promise<number> {
    const { request, output, target, group } = this.#parts
    const prefix = group.useRootOf(target.pid)
    const mounts = await this.#mark()
    const begun = process.hrtime.bigint()
    const { identity, pid } = target
    const start: RunStart = { identity, pid, started: new Date(), mounts, reads: request.reads }
    const seen = new SeenFiles(prefix, request.filter, Number(begun / 1000n))
    await output.write(this.#format.begin?.(start) ?? '')
    target.begin()
    await this.#follow(seen)
    const end = await target.ended
    const durationSeconds = Number(process.hrtime.bigint() - begun) / 1e9
    const signalNumber = end.signal === null ? 0 : constants.signals[end.signal]
    const counters: Counters = { ...group.counters, sent: this.#sent }
    const missing = whatIsMissing(counters)
    const exitStatus = end.signal === null ? end.status : 128 + signalNumber
    await this.#finish({ ...start, end, exitStatus, durationSeconds, counters, missing }, seen)
    for (const reason of missing) await say(`warning: accesses are missing: ${reason}`)
    if (missing.length > 0 && request.failOnLoss) return EXIT.incompleteRecord
    if (signalNumber !== 0) endBySignal(signalNumber)
    return exitStatus ?? EXIT.done
  }

  /** @returns the marked paths. @throws {NativeError} when none can be, or one that was asked for cannot be */
  async #mark(): Promise<Buffer[]> {
    const { request, group, target } = this.#parts
    const { reads } = request
    for (const path of request.mounts) markAsked(path, () => group.markMountAt(path, { reads }))
    if (request.mounts.length > 0) return request.mounts
    const marked: Buffer[] = []
    for (const path of watchedPaths(parseMountInfo(readFileSync(`/proc/${target.pid}/mountinfo`)))) {
      try {
        group.markMountAt(path, { reads })
        marked.push(path)
      } catch (error) {
        // Without its root there is nothing to tell.
        if (path.length === 1) throw error
        // Another mount lies over it: no path leads there any more.
        if (error instanceof NativeError && error.systemCode === 'ENOENT') continue
        await say(`warning: ${messageOf(error)}; what is read there is not listed`)
      }
    }
    return marked
  }

  /** Lists until the target has ended and the kernel has nothing more of before. */
  async #follow(seen: SeenFiles): Promise<void> {
    const { group, target } = this.#parts
    let over = false
    const ended = target.ended.then(
      () => {
        over = true
      },
      () => {
        over = true
      },
    )
    while (!over) {
      await Promise.race([new Promise<void>((resolve) => group.onceReadable(resolve)), ended])
      await this.#list(seen)
    }
    while (await this.#list(seen)) {
      // Events are queued inside the system calls that cause them: all there are, are there.
    }
  }

  /** @returns false when nothing was waiting */
  async #list(seen: SeenFiles): Promise<boolean> {
    const chunks: Buffer[] = []
    let any = false
    for (let reads = 0; reads < READS_PER_WRITE; reads++) {
      const accesses = this.#parts.group.read()
      if (accesses === null) break
      any = true
      const listed = seen.add(accesses)
      this.#sent += listed.length
      const text = this.#format.accesses?.(listed) ?? ''
      chunks.push(typeof text === 'string' ? Buffer.from(text) : text)
    }
    await this.#parts.output.write(Buffer.concat(chunks))
    return any
  }

  async #finish(run: RunEnd, seen: SeenFiles): Promise<void> {
    const { request, output } = this.#parts
    const files = seen.all()
    const root = `/proc/${process.pid}/fd/${this.#rootDescriptor}`
    const summary = request.summary ? await summarize(files, root) : undefined
    if (summary !== undefined && request.format === 'json')
      await output.write(jsonLine({ type: 'summary', ...summary }))
    await output.write(this.#format.end?.(run, files) ?? '')
    if (summary !== undefined && request.format !== 'json')
      await Output.stderr().write(summaryText(summary, run.durationSeconds))
    closeSync(this.#rootDescriptor)
    closeSync(this.#namespaceDescriptor)
    await output.end()
  }
}

/** @throws {UsageError} OPTION_INVALID where --mount names nothing that is there */
function markAsked(path: Buffer, mark: () => void): void {
  try {
    mark()
  } catch (cause) {
    if (!(cause instanceof NativeError) || !['ENOENT', 'ENOTDIR'].includes(cause.systemCode ?? ''))
      throw cause
    throw new UsageError('OPTION_INVALID', `--mount ${path}: there is no such path`, { cause })
  }
}

function whatIsMissing(counters: Counters): string[] {
  const { overflows, descriptorErrors, unresolved } = counters
  const missing: string[] = []
  if (overflows > 0) missing.push(`the kernel's queue overflowed ${times(overflows)}`)
  if (descriptorErrors > 0)
    missing.push(`the kernel could not open a file for an event ${times(descriptorErrors)}`)
  if (unresolved > 0) missing.push(`the path of a file could not be read ${times(unresolved)}`)
  return missing
}

function times(count: number): string {
  return count === 1 ? 'once' : `${count} times`
}
