/** From what was asked for to what runs the workload. */
import type { Log } from '../shared/log.ts'
import type { EarlyLayers } from './early-layers.ts'
import { LayerCache } from './unpack/layer-cache.ts'
import { packageVersion } from './version.ts'
import type { ContainerdRun, Run } from './workload/run.ts'
import { RuncEngine } from './workload/runc/engine.ts'
import { containerdRunner, plainRunner, type Runner } from './workload/runner.ts'

export type RunnerChoice =
  | { kind: 'containerd' }
  /** A program with runc's command line, and where layers are kept unpacked. */
  | { kind: 'runc'; program: string; cacheFolder: string }

export interface RunnerParts {
  snapshotter: string
  /** Of the image that will run. */
  early: EarlyLayers
  log: Log
}

/** @throws {PreconditionError} PID_NAMESPACE_FOREIGN, PRIVILEGE_MISSING, CACHE_UNUSABLE */
export function runnerFor(
  run: Run | ContainerdRun,
  choice: RunnerChoice,
  { snapshotter, early, log }: RunnerParts,
): Runner {
  const { version } = packageVersion()
  if (choice.kind === 'containerd') {
    if (!('containerd' in run)) throw new Error('a runner in containerd needs a run there')
    return containerdRunner(run, { version, snapshotter, log })
  }
  const { program, cacheFolder } = choice
  const cache = LayerCache.open(cacheFolder, log)
  return plainRunner(run, { version, log }, (own) => new RuncEngine(own, { program, cache, layers: early }))
}
