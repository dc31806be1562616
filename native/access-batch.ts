/** First accesses of files as the addon hands them over: many at once, in two objects. */

export interface FileAccess {
  path: Buffer
  /** Bits of KIND that were not told of this file before. */
  kinds: number
  pid: number
  /** On the clock of process.hrtime: when the events were read from the kernel. */
  readMicroseconds: number
  sizeBytes: number
  /** Name of the process at that time, or null when it had ended. */
  command: Buffer | null
}

/** Where in an access' figures each one is; fanotify.cc fills them. No name of a process: `commandBytes` is 0. */
export const FIGURE = {
  pathBytes: 0,
  commandBytes: 1,
  kinds: 2,
  pid: 3,
  readMicroseconds: 4,
  sizeBytes: 5,
} as const
export const FIGURES_PER_ACCESS = 6

export class AccessBatch {
  readonly length: number
  /** Path, command, path, command, … without anything in between. */
  readonly names: Buffer
  readonly figures: Float64Array

  constructor(names: Buffer, figures: Float64Array) {
    this.names = names
    this.figures = figures
    this.length = figures.length / FIGURES_PER_ACCESS
  }

  static joined(batches: readonly AccessBatch[]): AccessBatch {
    const figures = new Float64Array(batches.reduce((sum, batch) => sum + batch.figures.length, 0))
    let at = 0
    for (const batch of batches) {
      figures.set(batch.figures, at)
      at += batch.figures.length
    }
    return new AccessBatch(Buffer.concat(batches.map(({ names }) => names)), figures)
  }

  /** For who wants them one by one. Paths and commands are views of `names`. */
  *[Symbol.iterator](): Generator<FileAccess> {
    let at = 0
    for (let first = 0; first < this.figures.length; first += FIGURES_PER_ACCESS) {
      const figure = (place: number) => this.figures[first + place] as number
      const pathEnd = at + figure(FIGURE.pathBytes)
      const end = pathEnd + figure(FIGURE.commandBytes)
      yield {
        path: this.names.subarray(at, pathEnd),
        kinds: figure(FIGURE.kinds),
        pid: figure(FIGURE.pid),
        readMicroseconds: figure(FIGURE.readMicroseconds),
        sizeBytes: figure(FIGURE.sizeBytes),
        command: end === pathEnd ? null : this.names.subarray(pathEnd, end),
      }
      at = end
    }
  }
}
