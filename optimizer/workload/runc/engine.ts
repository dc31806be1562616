/** A runtime that this program calls itself, and layers unpacked in a folder of its own: no daemon has a part in it. */
import { mkdirSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import type { LayerCache, LayerSupply } from '../../unpack/layer-cache.ts'
import { chainIds, diffIdsOf } from '../chain-ids.ts'
import type {
  Container,
  ContainerRequest,
  Engine,
  ImageToUnpack,
  RootMount,
  UnpackedImage,
} from '../engine.ts'
import type { Run } from '../run.ts'
import { RuncContainer } from './container.ts'
import { noteRunc } from './notes.ts'
import { Runtime } from './runtime.ts'

/** In the run folder: names of the overlay's folders that are short, so that many fit into the options of a mount. */
const LINKS_FOLDER = 'l'

export interface RuncEngineParts {
  /** For workloads that name none. */
  program: string
  cache: LayerCache
  /** Of the image. */
  layers: LayerSupply
}

export class RuncEngine implements Engine {
  readonly name = 'runc'
  readonly place: string
  readonly #run: Run
  readonly #parts: RuncEngineParts

  constructor(run: Run, parts: RuncEngineParts) {
    this.#run = run
    this.#parts = parts
    this.place = parts.cache.folder
  }

  async unpack(image: ImageToUnpack, signal: AbortSignal): Promise<UnpackedImage> {
    const { id, undo, log } = this.#run
    const { cache, layers: supply, program } = this.#parts
    const diffIds = diffIdsOf(image)
    const chain = chainIds(diffIds)
    const layers = diffIds.map((diffId, index) => ({ diffId, chainId: chain[index] as typeof diffId }))
    const use = cache.newUse(id)
    noteRunc(this.#run.folder, { program, useFolder: use.folder })
    undo.push(`the folder ${use.folder}`, () => use.end())
    for (const [index, layer] of layers.entries()) supply.learn(index, cache.contentsOf(layer))
    supply.expect(layers.flatMap((layer, index) => (cache.has(layer) ? [] : [index])))
    const { lowers, unpacked } = await this.#explained(() => use.lowers(layers, supply, signal))
    if (unpacked > 0) log.info(`unpacked ${unpacked} of ${layers.length} layers`)
    return {
      prepareRoot: () => this.#explained(async () => [this.#overlay(lowers, use.makeUpper(lowers))]),
    }
  }

  async #explained<T>(step: () => Promise<T>): Promise<T> {
    try {
      return await step()
    } catch (error) {
      throw this.#parts.cache.explain(error)
    }
  }

  /** @param lowers the topmost first */
  #overlay(lowers: readonly string[], { upper, work }: { upper: string; work: string }): RootMount {
    const links = join(this.#run.folder, LINKS_FOLDER)
    mkdirSync(links, { mode: 0o700 })
    const short = (name: string, folder: string) => {
      const link = join(links, name)
      symlinkSync(folder, link)
      return link
    }
    const lowerdir = lowers.map((folder, index) => short(String(index), folder)).join(':')
    const options = [
      'index=off',
      `workdir=${short('w', work)}`,
      `upperdir=${short('u', upper)}`,
      `lowerdir=${lowerdir}`,
    ]
    return { type: 'overlay', source: 'overlay', target: '', options }
  }

  create(request: ContainerRequest): Promise<Container> {
    const program = request.container?.runtime?.program ?? this.#parts.program
    noteRunc(this.#run.folder, { program })
    return RuncContainer.create(this.#run, new Runtime(program, this.#run.folder), request)
  }
}
