/**
 * Layers kept unpacked, each under its digest, for all images that have them. A layer appears by a rename: it is whole or
 * not there. While a run uses layers, a folder of its own says so; they are not removed then.
 *
 *   layers/<hex>/fs              the files, a lower directory of overlayfs
 *   layers/<hex>/layer.json      what is known of them; its time is that of the last use
 *   layers/<hex>/contents        which entries the layer has
 *   new-<random>/                a layer under way
 *   runs/<run id>/               `process`, `layers.json`, and the run's writable layer
 */
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  renameSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { claim } from '../../native/claim.ts'
import { type FolderFacts, FolderTree } from '../../native/folder-tree.ts'
import { isOverlay } from '../../native/mounts.ts'
import { CodedError, messageOf, PreconditionError, systemCodeOf } from '../../shared/errors.ts'
import type { Log } from '../../shared/log.ts'
import type { Digest } from '../image/digest.ts'
import { makeOwnFolder, ownIdentity } from '../store/process-identity.ts'
import type { PathKey } from '../tar/entry.ts'
import type { IndexedLayer, OpenedLayer } from '../tar/layer.ts'
import { type ContentsEntry, readContents, writeContents } from './layer-contents.ts'
import { LayerUse } from './layer-use.ts'
import { removeFolder } from './remove-folder.ts'
import { type LayerContent, type UnpackedLayer, unpackLayer } from './unpack-layer.ts'

export const LAYERS_FOLDER = 'layers'
export const RUNS_FOLDER = 'runs'
export const NEW_PREFIX = 'new-'
export const LAYER_FILE = 'layer.json'
export const FILES_FOLDER = 'fs'
/** Of the cache folder, which holds other things, too. */
const OWN_FOLDER = 'unpacked'
const SCHEMA_VERSION = 1

/** What {@link LAYER_FILE} holds. */
export interface LayerFacts {
  schemaVersion: typeof SCHEMA_VERSION
  /** Of the files alone. */
  sizeBytes: number
  entries: number
  namesRoot: boolean
  /** Nothing is synced to disk: what an earlier boot has unpacked may be there in part. */
  bootId: string
}

export interface WantedLayer {
  diffId: Digest
  /** @see OCI image spec, config.md, "Layer ChainID" */
  chainId: Digest
}

/** A layer to unpack: there, or still being read. */
export type LayerToUnpack =
  | (Pick<OpenedLayer, 'entries' | 'notes' | 'readInto'> & { whole?: never })
  | (LayerContent & {
      /** Resolves when its bytes have proven to be the layer's: what was unpacked before counts from then on. */
      whole: Promise<Pick<IndexedLayer, 'entries' | 'notes'>>
    })

/** What is known of a layer's contents where it need not be read for that. */
export interface KnownContents {
  /** null: nothing that can be relied on. */
  read(): ContentsEntry[] | null
  /** For the next time. */
  keep(entries: readonly ContentsEntry[]): void
}

/** Where an image's layers come from, each by its position. */
export interface LayerSupply {
  /** The layer is there, or on its way, for as long as `body` takes. */
  use<T>(index: number, body: (layer: LayerToUnpack) => Promise<T>): Promise<T>
  /** Told before any is used which ones will be, the lowest first. */
  expect(indexes: readonly number[]): void
  /** One is not used after all: it is unpacked, perhaps by another process meanwhile. */
  skip(index: number): void
  learn(index: number, contents: KnownContents): void
}

export class LayerCache {
  readonly folder: string
  readonly #log: Log

  private constructor(folder: string, log: Log) {
    this.folder = folder
    this.#log = log
  }

  /**
   * @param parent e.g. `~/.cache/hotlayer`
   * @throws {PreconditionError} CACHE_UNUSABLE
   */
  static open(parent: string, log: Log): LayerCache {
    const folder = join(parent, OWN_FOLDER)
    try {
      for (const path of [folder, join(folder, LAYERS_FOLDER), join(folder, RUNS_FOLDER)])
        mkdirSync(path, { recursive: true, mode: 0o700 })
      const { uid, mode } = lstatSync(folder)
      // Programs with set-user-ID lie in there: nobody else may get at them.
      if (uid !== process.getuid?.() || (mode & 0o077) !== 0)
        throw new Error('it belongs to another user, or others may look into it')
    } catch (cause) {
      throw new PreconditionError(
        'CACHE_UNUSABLE',
        `layers cannot be kept in ${folder}: ${messageOf(cause)}; mend that, or name another folder with --cache-dir`,
        { cause },
      )
    }
    return new LayerCache(folder, log)
  }

  static isIn(parent: string): boolean {
    return existsSync(join(parent, OWN_FOLDER, LAYERS_FOLDER))
  }

  /** @throws {PreconditionError} CACHE_UNUSABLE where no overlay can have its writable layer */
  newUse(runId: string): LayerUse {
    if (isOverlay(this.folder))
      throw new PreconditionError(
        'CACHE_UNUSABLE',
        `${this.folder} is on an overlay, as a container's own root is, and cannot hold the writable layer of another one: name a folder of an ordinary disk or volume with --cache-dir`,
      )
    return new LayerUse(this, runId)
  }

  /** Held while it is decided what goes, and while a run says what it uses. */
  claimAll(signal: AbortSignal): Promise<() => void> {
    return claim(join(this.folder, 'claim'), signal)
  }

  /** The layer's folder, if it is there; it counts as used now. */
  find(key: Digest): { folder: string; facts: LayerFacts } | null {
    const folder = join(this.folder, LAYERS_FOLDER, hexOf(key))
    const facts = readFacts(folder)
    if (facts === null) return null
    const now = new Date()
    try {
      utimesSync(join(folder, LAYER_FILE), now, now)
    } catch (error) {
      // Whoever cleans the cache has taken it away meanwhile.
      if (systemCodeOf(error) === 'ENOENT') return null
      throw error
    }
    return { folder, facts }
  }

  /** What went wrong in here, where a full disk may be the cause. */
  explain(error: unknown): unknown {
    return error instanceof CodedError || !isFullDisk(error) ? error : cacheFull(this.folder, error)
  }

  /** Whether one need not be unpacked, as far as that can be told before it is claimed. */
  has(layer: WantedLayer): boolean {
    return keysOf(layer).some((key) => this.find(key) !== null)
  }

  contentsOf(layer: WantedLayer): KnownContents {
    const { diffId } = layer
    const folders = () => keysOf(layer).flatMap((key) => this.find(key)?.folder ?? [])
    return {
      read: () =>
        folders().reduce<ContentsEntry[] | null>((found, at) => found ?? readContents(at, diffId), null),
      keep: (entries) => {
        try {
          for (const folder of folders().slice(0, 1)) writeContents(folder, diffId, entries)
        } catch (error) {
          this.#log.debug(`what is in ${diffId} is not kept: ${messageOf(error)}`)
        }
      },
    }
  }

  /**
   * Unpacks a layer, unless another process has done so while this one waited for it.
   * @param lowers folders of the layers below, the topmost first
   * @returns the key that it has: its diff ID, or its chain ID where what is below is part of it
   */
  async add(
    layer: WantedLayer,
    open: (body: (layer: LayerToUnpack) => Promise<Digest>) => Promise<Digest>,
    lowers: readonly string[],
    signal: AbortSignal,
  ): Promise<{ key: Digest; isNew: boolean }> {
    // On whatever base: under its diff ID there is one for all.
    const release = await claim(join(this.folder, LAYERS_FOLDER, `${hexOf(layer.diffId)}.claim`), signal)
    try {
      const there = keysOf(layer).find((key) => this.find(key) !== null)
      if (there !== undefined) return { key: there, isNew: false }
      return { key: await open((opened) => this.#unpack(layer, opened, lowers, signal)), isNew: true }
    } finally {
      release()
    }
  }

  async #unpack(
    { diffId, chainId }: WantedLayer,
    opened: LayerToUnpack,
    lowers: readonly string[],
    signal: AbortSignal,
  ): Promise<Digest> {
    const temporary = this.#newFolder()
    try {
      const files = join(temporary, FILES_FOLDER)
      const { whole, unpacked } = await unpackWhole(opened, files, looksBelow(lowers), signal)
      const { entries, implicit, namesRoot, sizeBytes } = unpacked
      const key = implicit.length > 0 && lowers.length > 0 ? chainId : diffId
      if (key === chainId && key !== diffId)
        this.#log.debug(`${diffId} names not all of its folders (${implicit[0]}): kept as ${chainId}`)
      const facts: LayerFacts = {
        schemaVersion: SCHEMA_VERSION,
        sizeBytes,
        entries,
        namesRoot,
        bootId: bootId(),
      }
      writeFileSync(join(temporary, LAYER_FILE), JSON.stringify(facts))
      this.#keepContents(temporary, diffId, whole.entries)
      this.#publish(temporary, key)
      return key
    } catch (error) {
      removeFolder(temporary)
      throw signal.aborted ? signal.reason : explained(error, diffId, this.folder)
    }
  }

  /** Who wants to know can do without: the layer is read once more. @throws what tells of a full disk */
  #keepContents(folder: string, diffId: Digest, entries: readonly ContentsEntry[]): void {
    try {
      writeContents(folder, diffId, entries)
    } catch (error) {
      if (isFullDisk(error)) throw error
      this.#log.debug(`what is in ${diffId} is not kept: ${messageOf(error)}`)
    }
  }

  #newFolder(): string {
    return makeOwnFolder(join(this.folder, NEW_PREFIX))
  }

  #publish(temporary: string, key: Digest): void {
    const destination = join(this.folder, LAYERS_FOLDER, hexOf(key))
    // What is there was found unfit by whoever has the claim: no run that lives uses it.
    if (existsSync(destination)) {
      const old = this.#newFolder()
      renameSync(destination, join(old, FILES_FOLDER))
      renameSync(temporary, destination)
      removeFolder(old)
    } else renameSync(temporary, destination)
  }
}

export function hexOf(digest: Digest): string {
  return digest.slice(digest.indexOf(':') + 1)
}

export function keysOf({ diffId, chainId }: WantedLayer): Digest[] {
  return [diffId, chainId]
}

/** null where there is no layer, or none that can be relied on. */
export function readFacts(folder: string): LayerFacts | null {
  try {
    const facts = JSON.parse(readFileSync(join(folder, LAYER_FILE), 'utf8')) as LayerFacts
    return facts.schemaVersion === SCHEMA_VERSION && facts.bootId === bootId() ? facts : null
  } catch {
    return null
  }
}

function bootId(): string {
  return ownIdentity().bootId
}

/** The topmost layer below that has something there says what it is like: nothing, where that is no folder (any more). */
function looksBelow(lowers: readonly string[]): (path: PathKey) => FolderFacts | undefined {
  return (path) => {
    for (const lower of lowers) {
      const tree = new FolderTree(lower)
      try {
        const facts = tree.folderFacts(Buffer.from(path, 'latin1'))
        if (facts !== undefined) return facts ?? undefined
      } finally {
        tree.close()
      }
    }
    return undefined
  }
}

/** @returns what the layer is, too, once that is proven */
async function unpackWhole(
  layer: LayerToUnpack,
  folder: string,
  lookBelow: (path: PathKey) => FolderFacts | undefined,
  signal: AbortSignal,
): Promise<{ whole: Pick<IndexedLayer, 'entries' | 'notes'>; unpacked: UnpackedLayer }> {
  const unpack = (content: LayerContent) => {
    mkdirSync(folder, { mode: 0o755 })
    return unpackLayer(content, folder, lookBelow, signal)
  }
  if (layer.whole === undefined) return { whole: layer, unpacked: await unpack(layer) }
  let unpacked: UnpackedLayer | { error: unknown }
  try {
    unpacked = await unpack(layer)
  } catch (error) {
    if (isFullDisk(error)) throw error
    unpacked = { error }
  }
  const whole = await layer.whole
  // Of entries of the same name the last one counts: what those before it have made must not stay, nor have failed.
  if (whole.notes.duplicateNames > 0) {
    removeFolder(folder)
    const { entries } = whole
    return { whole, unpacked: await unpack({ entries, readInto: (to, at) => layer.readInto(to, at) }) }
  }
  if ('error' in unpacked) throw unpacked.error
  return { whole, unpacked }
}

function cacheFull(folder: string, cause: unknown): PreconditionError {
  return new PreconditionError(
    'CACHE_FULL',
    `the disk of ${folder} is full: make room (optimizer clean --cache), or name another folder with --cache-dir`,
    { cause },
  )
}

export function isFullDisk(error: unknown): boolean {
  const cause = error instanceof Error && error.cause !== undefined ? error.cause : error
  return ['ENOSPC', 'EDQUOT'].includes(systemCodeOf(cause) ?? '')
}

function explained(error: unknown, diffId: Digest, folder: string): unknown {
  if (error instanceof CodedError && error.code !== 'ENTRY_FAILED') return error
  if (isFullDisk(error)) return cacheFull(folder, error)
  return new PreconditionError(
    'LAYER_UNPACK_FAILED',
    `the layer ${diffId} cannot be unpacked: ${messageOf(error)}`,
    { cause: error },
  )
}
