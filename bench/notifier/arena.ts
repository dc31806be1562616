/** One workload, run while one contestant watches, in a root that nobody has used before. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type ContestantId, clientCommand, standAloneCommand } from './contestants.ts'
import { type Entered, enterCommand, readFigures, runEntered } from './entered.ts'
import { RootMaker } from './root.ts'
import { type Start, Watcher } from './watcher.ts'
import type { Workload } from './workloads.ts'

export interface Run {
  /** From the start of the workload until the last file has been told. */
  toldSeconds: number
  /** Of the files that the workload opened, those that were told; and those that were not. */
  told: number
  lost: number
  workloadCpuSeconds: number
  workloadWallSeconds: number
  /** NaN where nobody watches. Of the stand-alone notifier its start is a part of it. */
  readerCpuSeconds: number
  /** Of who takes what is told; NaN where the watching program keeps it to itself. */
  clientCpuSeconds: number
  readerRssBytes: number
  /** Until the contestant watches, and until it has greeted; NaN where it does not. */
  startMs: number
  helloMs: number
}

const NS_PER_MS = 1e6
const NS_PER_SECOND = 1e9

export class Arena {
  readonly #workload: Workload
  readonly #roots: RootMaker
  readonly #folder = mkdtempSync(join(tmpdir(), 'hl-bench-figures-'))
  readonly #signal: AbortSignal

  constructor(workload: Workload, signal: AbortSignal) {
    this.#workload = workload
    this.#signal = signal
    this.#roots = new RootMaker(workload)
  }

  /** @throws {CodedError} CLIENT_FAILED, WORKLOAD_FAILED */
  async run(contestant: ContestantId): Promise<Run> {
    return await this.#roots.with((root) => {
      switch (contestant) {
        case 'nobody':
          return this.#unwatched(root)
        case 'stand-alone':
          return this.#standAlone(root)
        default:
          return this.#watched(contestant, root)
      }
    })
  }

  async #unwatched(root: string): Promise<Run> {
    const { figures } = await this.#enter('own', root)
    return { ...runOf(figures, figures.endedNs, null), told: Number.NaN, lost: Number.NaN }
  }

  async #watched(contestant: 'reader' | 'peer' | 'notifier', root: string): Promise<Run> {
    const watcher = await Watcher.start(clientCommand(contestant, root))
    try {
      const { figures, output } = await this.#enter(watcher.pid, root)
      const watched = await watcher.end()
      return {
        ...runOf(figures, watched.doneNs, watcher.start),
        ...this.#compare(root, watched.paths, output),
        readerCpuSeconds: watched.readerCpuSeconds,
        clientCpuSeconds: watched.clientCpuSeconds,
        readerRssBytes: watched.peakRssBytes,
      }
    } finally {
      await watcher.kill()
    }
  }

  async #standAlone(root: string): Promise<Run> {
    const [list, inner, outer] = ['list', 'inner', 'outer'].map((name) => join(this.#folder, name)) as [
      string,
      string,
      string,
    ]
    const workload = enterCommand('same', root, inner, this.#workload.command)
    const output = await runEntered(
      enterCommand('same', '/', outer, standAloneCommand(root, list, workload)),
      this.#signal,
    )
    const [figures, whole] = [readFigures(inner), readFigures(outer)]
    return {
      ...runOf(figures, whole.endedNs, null),
      ...this.#compare(root, readFileSync(list, 'utf8').split('\0'), output),
      readerCpuSeconds: whole.cpuSeconds - figures.cpuSeconds,
      readerRssBytes: whole.peakRssBytes,
    }
  }

  async #enter(namespace: number | 'own', root: string): Promise<{ figures: Entered; output: string }> {
    const path = join(this.#folder, 'figures')
    const output = await runEntered(enterCommand(namespace, root, path, this.#workload.command), this.#signal)
    return { figures: readFigures(path), output }
  }

  /** Paths as the kernel names them begin with the mount point. */
  #compare(root: string, paths: string[], output: string): { told: number; lost: number } {
    const named = new Set(paths.map((path) => (path.startsWith(`${root}/`) ? path.slice(root.length) : path)))
    const opened = new Set(this.#workload.opened(output))
    const told = [...opened].filter((path) => named.has(path)).length
    return { told, lost: opened.size - told }
  }

  remove(): void {
    this.#roots.remove()
    rmSync(this.#folder, { recursive: true, force: true })
  }
}

function runOf(figures: Entered, doneNs: number, start: Start | null): Run {
  return {
    toldSeconds: (doneNs - figures.startedNs) / NS_PER_SECOND,
    told: 0,
    lost: 0,
    workloadCpuSeconds: figures.cpuSeconds,
    workloadWallSeconds: (figures.endedNs - figures.startedNs) / NS_PER_SECOND,
    readerCpuSeconds: Number.NaN,
    clientCpuSeconds: Number.NaN,
    readerRssBytes: Number.NaN,
    startMs: (start?.startNs ?? Number.NaN) / NS_PER_MS,
    helloMs: (start?.helloNs ?? Number.NaN) / NS_PER_MS,
  }
}
