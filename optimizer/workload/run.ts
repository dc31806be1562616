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
  /** Which containerd the run works with. */
  address: string
  namespace: string
}

export interface Run {
  /** Also the id of its lease, and what its ingests' refs begin with. */
  readonly id: string
  readonly labels: Readonly<Record<string, string>>
  /** A folder of mode 0700 for mount points, FIFOs and small files, in memory. */
  readonly folder: string
  /** Under the run's lease. */
  readonly containerd: Containerd
  readonly undo: UndoStack
  readonly log: Log
}

export interface RunOptions {
  containerd: Containerd
  /** Of this program. */
  version: string
  snapshotter: string
  log: Log
}

/** Runs `body` inside a new run and undoes everything of it afterwards; what cannot be undone is logged. */
export async function withRun<T>(options: RunOptions, body: (run: Run) => Promise<T>): Promise<T> {
  const { containerd, log } = options
  const undo = new UndoStack()
  try {
    return await body(await openRun(options, undo))
  } finally {
    const failures = await undo.undoAll(log)
    if (failures.length > 0) {
      const flags = `--address ${containerd.address} --namespace ${containerd.namespace}`
      log.warn(`something of this run was left behind; remove it with: optimizer clean ${flags}`)
    }
  }
}

async function openRun(options: RunOptions, undo: UndoStack): Promise<Run> {
  const { containerd, version, snapshotter, log } = options
  const id = `${RUN_ID_PREFIX}${randomBytes(6).toString('hex')}`
  const owner = formatIdentity(ownIdentity())
  const labels = { [RUN_LABEL.id]: id, [RUN_LABEL.version]: version, [RUN_LABEL.process]: owner }

  const { address, namespace } = containerd
  const folder = makeRunFolder({ id, process: owner, version, address, namespace })
  undo.push(`the run folder ${folder}`, () => removeRunFolder(folder))

  const expires = new Date(Date.now() + LEASE_HOURS * 3600_000)
  undo.push(`the lease ${id}`, () => containerd.leases.delete(id))
  await containerd.leases.create(id, { ...labels, [RUN_LABEL.snapshotter]: snapshotter }, expires)
  return { id, labels, folder, containerd: containerd.underLease(id), undo, log }
}

/** Where run folders are: in memory, for this user alone. */
export function runFoldersRoot(): string {
  const uid = process.getuid?.() ?? 0
  return uid === 0 ? '/run/hotlayer' : join(process.env.XDG_RUNTIME_DIR ?? tmpdir(), `hotlayer-${uid}`)
}

function makeRunFolder(file: RunFile): string {
  const root = runFoldersRoot()
  const folder = join(root, file.id)
  for (;;) {
    mkdirSync(root, { recursive: true, mode: 0o700 })
    const { uid } = lstatSync(root)
    if (uid !== process.getuid?.())
      throw new PreconditionError('RUN_FOLDER_FOREIGN', `${root} belongs to user ${uid}: remove it`)
    try {
      mkdirSync(folder, { mode: 0o700 })
      break
    } catch (error) {
      // Another run has just removed the empty root.
      if (systemCodeOf(error) !== 'ENOENT') throw error
    }
  }
  writeFileSync(join(folder, RUN_FILE), `${JSON.stringify(file)}\n`, { mode: 0o600 })
  return folder
}

/** Removes a run folder, and the folder of run folders when it was the last one. @returns false when there was none */
export function removeRunFolder(folder: string): boolean {
  const existed = existsSync(folder)
  // A file system that is still mounted below must not be emptied: its mount point refuses to go (EBUSY).
  rmMountPoint(join(folder, ROOTFS_FOLDER))
  rmSync(folder, { recursive: true, force: true })
  try {
    rmdirSync(runFoldersRoot())
  } catch (error) {
    if (!['ENOTEMPTY', 'ENOENT', 'EEXIST'].includes(systemCodeOf(error) ?? '')) throw error
  }
  return existed
}

function rmMountPoint(path: string): void {
  try {
    rmdirSync(path)
  } catch (error) {
    if (systemCodeOf(error) !== 'ENOENT') throw error
  }
}
