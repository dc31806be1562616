/** How much disk a command's temporary files take at the most: those in its folder, and those it removed but holds open. */
import { readdirSync, readFileSync, type Stats, statSync } from 'node:fs'
import { join } from 'node:path'

const SAMPLE_MS = 100
/** The unit of st_blocks. */
const BLOCK_BYTES = 512

export class TemporaryFiles {
  peakBytes = 0
  readonly #folder: string
  readonly #device: number
  readonly #timer: NodeJS.Timeout

  /** Watches until stopped. @param folder the command's TMPDIR @param pid it, or a parent of it */
  constructor(folder: string, pid: number) {
    this.#folder = folder
    this.#device = statSync(folder).dev
    this.#timer = setInterval(() => {
      this.peakBytes = Math.max(this.peakBytes, this.#bytes(pid))
    }, SAMPLE_MS)
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  #bytes(pid: number): number {
    const bytes = new Map<number, number>()
    const count = (file: Stats | undefined) => {
      if (file?.isFile() && file.dev === this.#device) bytes.set(file.ino, file.blocks * BLOCK_BYTES)
    }
    for (const name of attempt(() => readdirSync(this.#folder, { recursive: true, encoding: 'utf8' })) ?? [])
      count(attempt(() => statSync(join(this.#folder, name))))
    for (const process of descendants(pid))
      for (const fd of attempt(() => readdirSync(`/proc/${process}/fd`)) ?? []) {
        const file = attempt(() => statSync(`/proc/${process}/fd/${fd}`))
        if (file?.nlink === 0) count(file)
      }
    return [...bytes.values()].reduce((sum, value) => sum + value, 0)
  }
}

function descendants(pid: number): number[] {
  const text = attempt(() => readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')) ?? ''
  return [pid, ...text.trim().split(' ').filter(Boolean).map(Number).flatMap(descendants)]
}

/** What a process has and is, comes and goes: undefined where it is gone. */
function attempt<T>(look: () => T): T | undefined {
  try {
    return look()
  } catch {
    return undefined
  }
}
