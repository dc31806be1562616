/** A small image's root file system: an overlay over folders, on a tmpfs of its own. */
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, rmdirSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { mount, unmount } from '../../native/mounts.ts'
import { probePath } from './probe.ts'

/** Path in the layer → content; a path that ends in `/` is a folder. */
export type Files = Record<string, string>

export class Overlay {
  readonly #folder: string
  /** Where the merged tree is mounted. */
  readonly merged: string

  /** @param layers lowest first; the probe lies in the lowest as /probe */
  constructor(layers: Files[]) {
    this.#folder = mkdtempSync(join(tmpdir(), 'optimizer-overlay-'))
    // An overlay's upper folder cannot itself lie on an overlay, which the machine's own root may be.
    mount({ type: 'tmpfs', source: 'tmpfs', target: this.#folder, options: [] })
    this.merged = join(this.#folder, 'merged')
    for (const name of ['merged', 'upper', 'work']) mkdirSync(join(this.#folder, name))
    const lower = layers.map((files, index) => this.#writeLayer(index, files))
    copyFileSync(probePath(), join(lower[0] as string, 'probe'))
    mount({
      type: 'overlay',
      source: 'overlay',
      target: this.merged,
      options: [
        'index=off',
        `lowerdir=${lower.reverse().join(':')}`,
        `upperdir=${join(this.#folder, 'upper')}`,
        `workdir=${join(this.#folder, 'work')}`,
      ],
    })
  }

  #writeLayer(index: number, files: Files): string {
    const layer = join(this.#folder, `layer-${index}`)
    mkdirSync(layer)
    for (const [name, content] of Object.entries(files)) {
      const path = join(layer, name)
      if (name.endsWith('/')) {
        mkdirSync(path, { recursive: true })
        continue
      }
      mkdirSync(join(path, '..'), { recursive: true })
      writeFileSync(path, content)
      chmodSync(path, 0o755)
    }
    return layer
  }

  /** A path of the kernel as one inside the root: accesses through the host's mount begin with the mount point. */
  inside(path: Buffer): string {
    const text = path.toString('latin1')
    return text.startsWith(`${this.merged}/`) ? text.slice(this.merged.length) : text
  }

  /** Both unmounts must succeed at once: nothing that was started may still use them. */
  remove(): void {
    unmount(this.merged)
    unmount(this.#folder)
    rmdirSync(this.#folder)
  }
}
