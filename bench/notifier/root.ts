/** The root file system that a workload sees: an overlay, mounted anew for each run, so that each finds it cold. */
import { mkdirSync, mkdtempSync, rmdirSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { mount, unmount } from '../../native/mounts.ts'
import type { Workload } from './workloads.ts'

/** Opened after everything else, by client.c. */
export const END_FILE = '.end'

/** What a workload's roots are made of, on a tmpfs of its own: an overlay's upper folder cannot lie on an overlay. */
export class RootMaker {
  readonly #folder: string
  readonly #lower: string
  #roots = 0

  constructor(workload: Workload) {
    this.#folder = mkdtempSync(join(tmpdir(), 'hl-bench-'))
    mount({ type: 'tmpfs', source: 'tmpfs', target: this.#folder, options: [] })
    const layer = join(this.#folder, 'layer')
    mkdirSync(layer)
    workload.build(layer)
    writeFileSync(join(layer, END_FILE), '')
    this.#lower = workload.onMachineRoot ? `${layer}:/` : layer
  }

  /** Mounts one, and unmounts it when `use` is through. @param use gets its path */
  async with<T>(use: (path: string) => Promise<T>): Promise<T> {
    const folder = join(this.#folder, `root-${++this.#roots}`)
    const [merged, upper, work] = ['merged', 'upper', 'work'].map((name) => join(folder, name)) as [
      string,
      string,
      string,
    ]
    for (const path of [merged, upper, work]) mkdirSync(path, { recursive: true })
    const options = ['index=off', `lowerdir=${this.#lower}`, `upperdir=${upper}`, `workdir=${work}`]
    mount({ type: 'overlay', source: 'overlay', target: merged, options })
    try {
      return await use(merged)
    } finally {
      unmount(merged)
    }
  }

  remove(): void {
    unmount(this.#folder)
    rmdirSync(this.#folder)
  }
}
