/** A fanotify group that tells of each file once: its first access, in order, with the path the kernel gives it. */
import { loadAddon } from './addon.ts'
import { orNativeError } from './system-error.ts'

/** As fanotify_reader.cc finds it. */
export interface FileAccess {
  path: Buffer
  /** Bits of KIND that were not told of this file before. */
  kinds: number
  pid: number
  /** On the clock of process.hrtime: when the events were read from the kernel. */
  readMicroseconds: number
  sizeBytes: number
  /** Name of the process at that time, or null when it had ended. */
  command: Buffer | null
}

/** The kernel's side of the counters; see Counters in shared/messages.ts. */
export interface FanotifyCounters {
  read: number
  merged: number
  overflows: number
  descriptorErrors: number
  unresolved: number
  deleted: number
  ignoredOwn: number
}

interface Group {
  mark(kind: 'filesystem' | 'mount', path: Buffer, reads: boolean): void
  markMountOfRoot(pid: number, reads: boolean): void
  useRootOf(pid: number): Buffer
  markMountAt(path: Buffer, reads: boolean): void
  read(): unknown[] | null
  onceReadable(callback: () => void): void
  forgetSeen(): void
  counters(): FanotifyCounters
  reportsDescriptorErrors(): boolean
  close(): void
}

interface FanotifyBinding {
  FanotifyGroup: new (regularFilesOnly: boolean) => Group
}

const ACCESS_ELEMENTS = 6

export interface MarkEvents {
  /** Also tell of the first read(2) and the like: an event more per file. What is mapped is never "read". */
  reads?: boolean
}

export class FanotifyGroup {
  readonly #group: Group

  /**
   * Opens the group, and what resolves paths later: /proc and /proc/self/fd. No path is opened after this.
   * @param options.regularFilesOnly devices, FIFOs and sockets are left out; their events count as merged
   * @throws {NativeError} FANOTIFY_UNAVAILABLE
   */
  constructor(options: { regularFilesOnly?: boolean } = {}) {
    this.#group = orNativeError(
      'FANOTIFY_UNAVAILABLE',
      'cannot watch files with fanotify',
      'it needs CAP_SYS_ADMIN in the initial user namespace',
      () => new (loadAddon<FanotifyBinding>().FanotifyGroup)(options.regularFilesOnly === true),
    )
  }

  /** Marks what `path` lies on: its whole file system, or only the mount. @throws {NativeError} MARK_FAILED */
  mark(kind: 'filesystem' | 'mount', path: Buffer, events: MarkEvents = {}): void {
    orNativeError('MARK_FAILED', `cannot mark the ${kind} of ${path}`, '', () =>
      this.#group.mark(kind, path, events.reads === true),
    )
  }

  /** Marks the mount that is the root of process `pid`. @throws {NativeError} MARK_FAILED */
  markMountOfRoot(pid: number, events: MarkEvents = {}): void {
    orNativeError('MARK_FAILED', `cannot mark the mount at the root of process ${pid}`, '', () =>
      this.#group.markMountOfRoot(pid, events.reads === true),
    )
  }

  /**
   * Sets the root, that of process `pid`, which the paths of `markMountAt` are seen from.
   * @returns what the kernel puts in front of paths below that root: nothing, or the path of a chroot
   * @throws {NativeError} MARK_FAILED
   */
  useRootOf(pid: number): Buffer {
    return orNativeError('MARK_FAILED', `cannot open the root of process ${pid}`, '', () =>
      this.#group.useRootOf(pid),
    )
  }

  /** Marks the mount that `path` lies on, seen from the root in use. Any number. @throws {NativeError} MARK_FAILED */
  markMountAt(path: Buffer, events: MarkEvents = {}): void {
    orNativeError('MARK_FAILED', `cannot mark the mount of ${path}`, '', () =>
      this.#group.markMountAt(path, events.reads === true),
    )
  }

  /**
   * Takes a buffer of events from the kernel.
   * @returns null when none is waiting; an empty array when none of them was of a new file
   * @throws {NativeError} EVENTS_UNREADABLE
   */
  read(): FileAccess[] | null {
    const flat = orNativeError('EVENTS_UNREADABLE', 'cannot read fanotify events', '', () =>
      this.#group.read(),
    )
    if (flat === null) return null
    const accesses: FileAccess[] = []
    for (let at = 0; at < flat.length; at += ACCESS_ELEMENTS) {
      accesses.push({
        path: flat[at] as Buffer,
        kinds: flat[at + 1] as number,
        pid: flat[at + 2] as number,
        readMicroseconds: flat[at + 3] as number,
        sizeBytes: flat[at + 4] as number,
        command: flat[at + 5] as Buffer | null,
      })
    }
    return accesses
  }

  /** Calls back once, from the event loop, when events are waiting. Until then the process stays alive. */
  onceReadable(callback: () => void): void {
    this.#group.onceReadable(callback)
  }

  /** Every file counts as new again. The mark stays. @throws {NativeError} MARK_FAILED */
  forgetSeen(): void {
    orNativeError('MARK_FAILED', 'cannot drop the ignore marks', '', () => this.#group.forgetSeen())
  }

  get counters(): FanotifyCounters {
    return this.#group.counters()
  }

  /** Whether the kernel (Linux 6.13) tells of events that it could not open a descriptor for. */
  get reportsDescriptorErrors(): boolean {
    return this.#group.reportsDescriptorErrors()
  }

  /** Ends the watch; unread events are dropped. May be called again. */
  close(): void {
    this.#group.close()
  }
}
