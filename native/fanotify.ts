/** A fanotify group that tells of each file once: its first access, in order, with the path the kernel gives it. */
import { AccessBatch } from './access-batch.ts'
import { loadAddon } from './addon.ts'
import { orNativeError } from './system-error.ts'

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
  read(): [names: Buffer, figures: Float64Array] | null
  onceReadable(callback: () => void): void
  forgetSeen(): void
  counters(): FanotifyCounters
  reportsDescriptorErrors(): boolean
  close(): void
}

interface FanotifyBinding {
  FanotifyGroup: new (regularFilesOnly: boolean) => Group
}

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
   * @returns null when none is waiting; an empty batch when none of them was of a new file
   * @throws {NativeError} EVENTS_UNREADABLE
   */
  read(): AccessBatch | null {
    const batch = orNativeError('EVENTS_UNREADABLE', 'cannot read fanotify events', '', () =>
      this.#group.read(),
    )
    return batch === null ? null : new AccessBatch(...batch)
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
