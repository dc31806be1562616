/**
 * A run: one invocation of the program with everything temporary that belongs to it. All of it can be told by the
 * run's id, in labels, in names and in the run folder, so that `clean` finds what a killed run left.
 */
import { randomBytes } from 'node:crypto'
import { existsSync, lstatSync, mkdirSync, rmdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PreconditionError, systemCodeOf } from '../../shared/errors.ts'
import type { Log } from '../../shared/log.ts'
import type { Containerd } from '../containerd/client.ts'
import { formatIdentity, ownIdentity } from '../store/process-identity.ts'
import { hasNotes } from './folder-notes.ts'
import { UndoStack } from './undo-stack.ts'

/** Begins every label of ours. */
export const RUN_LABEL_PREFIX = 'hotlayer.run/'

/** Labels of everything temporary; results never carry them. */
export const RUN_LABEL = {
  /** The run's id. */
  id: `${RUN_LABEL_PREFIX}id`,
  /** Version of the program. */
  version: `${RUN_LABEL_PREFIX}version`,
  /** The process that runs it. @see process-identity.ts */
  process: `${RUN_LABEL_PREFIX}process`,
  /** Where the run makes snapshots. */
  snapshotter: `${RUN_LABEL_PREFIX}snapshotter`,
} as const

/** Begins every run id. */
export const RUN_ID_PREFIX = 'hotlayer-'
/** In the run folder: who it belongs to. */
export const RUN_FILE = 'run.json'
/** In the run folder: where the root file system is mounted. */
export const ROOTFS_FOLDER = 'rootfs'
const LEASE_HOURS = 24

/** What {@link RUN_FILE} holds. */
export interface RunFile {
  id: string
  process: string
  version: string
  /** Which containerd the run works with; neither where it works with none. */
  address?: string
  namespace?: string
}

export interface Run {
  /** Also what its ingests' refs begin with. */
  readonly id: string
  readonly labels: Readonly<Record<string, string>>
  /** A folder of mode 0700 for mount points, FIFOs and small files, in memory. */
  readonly folder: string
  readonly undo: UndoStack
  readonly log: Log
}

/** One that makes things in a containerd. */
export interface ContainerdRun extends Run {
  /** Under the run's lease, whose id is the run's. */
  readonly containerd: Containerd
}

export interface RunOptions {
  /** Of this program. */
  version: string
  log: Log
}

export interface ContainerdRunOptions extends RunOptions {
  containerd: Containerd
  snapshotter: string
}

/** Runs `body` inside a new run and undoes everything of it afterwards; what cannot be undone is logged. */
export async function withRun<T>(options: RunOptions, body: (run: Run) => Promise<T>): Promise<T> {
  const undo = new UndoStack()
  return await undoing(undo, options.log, '', () => body(openRun(options, undo, {})))
}

/** The same with a lease in containerd around it. */
export async function withContainerdRun<T>(
  options: ContainerdRunOptions,
  body: (run: ContainerdRun) => Promise<T>,
): Promise<T> {
  const { containerd, log, snapshotter } = options
  const { address, namespace } = containerd
  const undo = new UndoStack()
  return await undoing(undo, log, ` --address ${address} --namespace ${namespace}`, async () => {
    const run = openRun(options, undo, { address, namespace })
    const { id, labels } = run
    const expires = new Date(Date.now() + LEASE_HOURS * 3600_000)
    undo.push(`the lease ${id}`, () => containerd.leases.delete(id))
    await containerd.leases.create(id, { ...labels, [RUN_LABEL.snapshotter]: snapshotter }, expires)
    return await body({ ...run, containerd: containerd.underLease(id) })
  })
}

/** @param flags with which `clean` finds what is left */
async function undoing<T>(undo: UndoStack, log: Log, flags: string, body: () => Promise<T>): Promise<T> {
  try {
    return await body()
  } finally {
    const failures = await undo.undoAll(log)
    if (failures.length > 0)
      log.warn(`something of this run was left behind; remove it with: optimizer clean${flags}`)
  }
}

function openRun(
  { version, log }: RunOptions,
  undo: UndoStack,
  containerd: Pick<RunFile, 'address' | 'namespace'>,
): Run {
  const id = `${RUN_ID_PREFIX}${randomBytes(6).toString('hex')}`
  const owner = formatIdentity(ownIdentity())
  const labels = { [RUN_LABEL.id]: id, [RUN_LABEL.version]: version, [RUN_LABEL.process]: owner }
  const folder = makeRunFolder({ id, process: owner, version, ...containerd })
  undo.push(`the run folder ${folder}`, (failures) => {
    if (failures === 0 || !hasNotes(folder)) removeRunFolder(folder)
  })
  return { id, labels, folder, undo, log }
}

/** Where run folders are: in memory, for this user alone. */
export function runFoldersRoot(): string {
  const uid = process.getuid?.() ?? 0
  return uid === 0 ? '/run/hotlayer' : join(process.env.XDG_RUNTIME_DIR ?? tmpdir(), `hotlayer-${uid}`)
}

function makeRunFolder(file: RunFile): string {
  const root = runFoldersRoot()
  const folder = join(root, file.id)
  mkdirSync(root, { recursive: true, mode: 0o700 })
  const { uid } = lstatSync(root)
  if (uid !== process.getuid?.())
    throw new PreconditionError('RUN_FOLDER_FOREIGN', `${root} belongs to user ${uid}: remove it`)
  try {
    mkdirSync(folder, { mode: 0o700 })
  } catch (cause) {
    if (systemCodeOf(cause) !== 'ENOENT') throw cause
    const message = `${root} was removed on the host while it is mounted here: make it there, and start this container anew`
    throw new PreconditionError('RUN_FOLDER_GONE', message, { cause })
  }
  writeFileSync(join(folder, RUN_FILE), `${JSON.stringify(file)}\n`, { mode: 0o600 })
  return folder
}

/**
 * Removes a run folder. The folder of run folders stays: a container may have it mounted, where what is made anew is not
 * seen.
 * @returns false when there was none
 */
export function removeRunFolder(folder: string): boolean {
  const existed = existsSync(folder)
  // A file system that is still mounted below must not be emptied: its mount point refuses to go (EBUSY).
  rmMountPoint(join(folder, ROOTFS_FOLDER))
  rmSync(folder, { recursive: true, force: true })
  return existed
}

function rmMountPoint(path: string): void {
  try {
    rmdirSync(path)
  } catch (error) {
    if (systemCodeOf(error) !== 'ENOENT') throw error
  }
}
