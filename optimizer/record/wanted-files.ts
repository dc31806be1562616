/** What is to come first, across the layers of an image in the order to fetch it; each file of a layer once. */
import type { PathKey } from '../tar/entry.ts'

/** A file that is to come first in one layer of the manifest. */
export interface WantedFile {
  layerIndex: number
  path: PathKey
}

export class WantedFiles {
  readonly all: WantedFile[] = []
  readonly #known: Set<PathKey>[]

  constructor(layerCount: number) {
    this.#known = Array.from({ length: layerCount }, () => new Set())
  }

  /** A layer that the image has not is passed over. */
  add(layerIndex: number, path: PathKey): void {
    const known = this.#known[layerIndex]
    if (known === undefined || known.has(path)) return
    known.add(path)
    this.all.push({ layerIndex, path })
  }
}

/** For each layer of the manifest the paths to put first. */
export function pathsByLayer(wanted: readonly WantedFile[], layerCount: number): PathKey[][] {
  const layers: PathKey[][] = Array.from({ length: layerCount }, () => [])
  for (const { layerIndex, path } of wanted) layers[layerIndex]?.push(path)
  return layers
}
