/** What one run has in the cache: a claim on the layers that it uses, and the writable layer on top of them. */
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { FolderTree } from '../../native/folder-tree.ts'
import type { Digest } from '../image/digest.ts'
import { signFolder } from '../store/process-identity.ts'
import {
  FILES_FOLDER,
  hexOf,
  keysOf,
  type LayerCache,
  type LayerSupply,
  RUNS_FOLDER,
  readFacts,
  type WantedLayer,
} from './layer-cache.ts'
import { removeFolder } from './remove-folder.ts'

/** In a run's folder: the names of the layers it uses. */
export const USED_FILE = 'layers.json'
const UPPER_FOLDER = 'upper'
const WORK_FOLDER = 'work'
const EMPTY_FOLDER = 'empty'

export class LayerUse {
  readonly folder: string
  readonly #cache: LayerCache

  constructor(cache: LayerCache, runId: string) {
    this.#cache = cache
    this.folder = join(cache.folder, RUNS_FOLDER, runId)
  }

  /**
   * @param layers the lowest first
   * @returns folders of all layers, the topmost first, each once, and how many were not there before
   * @throws {PreconditionError} LAYER_UNPACK_FAILED, CACHE_FULL; what opening a layer throws
   */
  async lowers(
    layers: readonly WantedLayer[],
    supply: Pick<LayerSupply, 'use' | 'skip'>,
    signal: AbortSignal,
  ): Promise<{ lowers: string[]; unpacked: number }> {
    // Whoever removes layers sees from here on that these are in use.
    const release = await this.#cache.claimAll(signal)
    try {
      mkdirSync(this.folder, { mode: 0o700 })
      signFolder(this.folder)
      writeFileSync(join(this.folder, USED_FILE), JSON.stringify(layers.flatMap(keysOf).map(hexOf)))
    } finally {
      release()
    }
    const lowers: string[] = []
    let unpacked = 0
    for (const [index, layer] of layers.entries()) {
      const found = keysOf(layer).find((key) => this.#cache.find(key) !== null)
      const { key, isNew } =
        found !== undefined
          ? { key: found, isNew: false }
          : await this.#cache.add(layer, (body) => supply.use(index, body), lowers, signal)
      if (isNew) unpacked++
      else supply.skip(index)
      lowers.unshift(this.#files(key))
    }
    // Overlayfs refuses a folder that comes twice. What a layer says is said by its topmost place alone.
    if (lowers.length > 0) return { lowers: [...new Set(lowers)], unpacked }
    const empty = join(this.folder, EMPTY_FOLDER)
    mkdirSync(empty, { mode: 0o755 })
    return { lowers: [empty], unpacked }
  }

  /** The writable layer, whose own folder is the root's: like the topmost layer that says something of it. */
  makeUpper(lowers: readonly string[]): { upper: string; work: string } {
    const upper = join(this.folder, UPPER_FOLDER)
    const work = join(this.folder, WORK_FOLDER)
    mkdirSync(upper)
    // Whatever the umask says: the workload need not be root.
    chmodSync(upper, 0o755)
    mkdirSync(work, { mode: 0o700 })
    const source = lowers.find((lower) => readFacts(join(lower, '..'))?.namesRoot === true)
    if (source !== undefined) {
      const facts = withTree(source, (tree) => tree.folderFacts(Buffer.alloc(0)))
      if (facts) withTree(upper, (tree) => tree.setAttributes(Buffer.alloc(0), { ...facts, xattrs: [] }))
    }
    return { upper, work }
  }

  /** The overlay must be unmounted. */
  end(): void {
    removeFolder(this.folder)
  }

  #files(key: Digest): string {
    const found = this.#cache.find(key)
    if (found === null) throw new Error(`the layer ${key} has gone from ${this.#cache.folder}`)
    return join(found.folder, FILES_FOLDER)
  }
}

function withTree<T>(folder: string, body: (tree: FolderTree) => T): T {
  const tree = new FolderTree(folder)
  try {
    return body(tree)
  } finally {
    tree.close()
  }
}
