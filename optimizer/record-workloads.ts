/** One workload of an image, or several one after the other: what each has read. */
import { CodedError } from '../shared/errors.ts'
import { type RecordContext, recordImage } from './record-image.ts'
import type { ResolvedImage } from './store/resolve.ts'
import type { Engine } from './workload/engine.ts'
import type { WorkloadOptions } from './workload/options.ts'
import type { Run } from './workload/run.ts'
import type { WorkloadRun } from './workload/run-workload.ts'
import type { Runner } from './workload/runner.ts'

export interface NamedWorkload {
  name: string
  options: WorkloadOptions
}

export interface NamedRun {
  /** null: the only one. */
  name: string | null
  run: WorkloadRun
}

/**
 * Each of several has a run of its own, and so a root file system as the image has it, not as the one before left it.
 * The first that fails ends it all.
 */
export async function recordWorkloads(
  runner: Runner,
  image: ResolvedImage,
  { workload, workloads }: { workload: WorkloadOptions; workloads: readonly NamedWorkload[] },
  context: RecordContext,
): Promise<NamedRun[]> {
  if (workloads.length === 0) {
    const { run, engine } = runner
    return [{ name: null, run: await recordImage(run, engine, image, workload, context) }]
  }
  const runs: NamedRun[] = []
  for (const { name, options } of workloads) {
    context.console.info(`workload ${name}, ${runs.length + 1} of ${workloads.length}`, { workload: name })
    try {
      const record = (run: Run, engine: Engine) => recordImage(run, engine, image, options, context)
      runs.push({ name, run: await runner.withOwnRun(record) })
    } catch (error) {
      if (error instanceof CodedError && !context.signal.aborted)
        error.message = `workload ${name}: ${error.message}`
      throw error
    }
  }
  return runs
}
