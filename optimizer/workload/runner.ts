/** Who runs workloads, and where: in the run that is under way, or each in a run of its own. */
import type { Log } from '../../shared/log.ts'
import { ContainerdEngine } from './containerd/engine.ts'
import type { Engine } from './engine.ts'
import { type ContainerdRun, type Run, type RunOptions, withContainerdRun, withRun } from './run.ts'

export interface Runner {
  /** The one under way. */
  readonly run: Run
  readonly engine: Engine
  /** A run of its own with its engine; everything of it is undone at its end. */
  withOwnRun<T>(body: (run: Run, engine: Engine) => Promise<T>): Promise<T>
}

/** @throws {PreconditionError} PID_NAMESPACE_FOREIGN, PRIVILEGE_MISSING */
export function containerdRunner(
  run: ContainerdRun,
  { version, snapshotter, log }: { version: string; snapshotter: string; log: Log },
): Runner {
  const place = { containerd: run.containerd, version, snapshotter, log }
  return {
    run,
    engine: new ContainerdEngine(run, snapshotter),
    withOwnRun: (body) =>
      withContainerdRun(place, (own) => body(own, new ContainerdEngine(own, snapshotter))),
  }
}

/** @param engineOf makes the engine of one run */
export function plainRunner(run: Run, options: RunOptions, engineOf: (run: Run) => Engine): Runner {
  return {
    run,
    engine: engineOf(run),
    withOwnRun: (body) => withRun(options, (own) => body(own, engineOf(own))),
  }
}
