/** An image unpacked where it is not unpacked yet, and run: what it read. */
import type { Console } from './console.ts'
import { formatPlatform } from './image/platform.ts'
import type { Stages } from './stages.ts'
import type { ResolvedImage } from './store/resolve.ts'
import { EarlyNotifier } from './workload/early-notifier.ts'
import type { Engine } from './workload/engine.ts'
import type { WorkloadOptions } from './workload/options.ts'
import type { Run } from './workload/run.ts'
import { runWorkload, type WorkloadRun } from './workload/run-workload.ts'
import { planProcess } from './workload/spec/runtime-spec.ts'
import type { NextInterrupt } from './workload/stop-rules/interrupt.ts'
import { requireTerminal } from './workload/terminal/lent-terminal.ts'

export interface RecordContext {
  console: Console
  signal: AbortSignal
  /** @see Interruption */
  nextInterrupt: NextInterrupt
  stages: Stages
  /** Where one was started while it was being found out what to run. */
  notifier?: EarlyNotifier
}

export async function recordImage(
  run: Run,
  engine: Engine,
  image: ResolvedImage,
  options: WorkloadOptions,
  { console: log, signal, nextInterrupt, stages, ...context }: RecordContext,
): Promise<WorkloadRun> {
  const { manifest, config, name } = image
  // An image without a command, and a command without a terminal, are known before it is unpacked.
  planProcess(config.config ?? {}, options)
  if (options.terminal === true) requireTerminal()
  const notifier = context.notifier ?? EarlyNotifier.start(run, options, signal)
  const unpacked = await stages.run('unpack', engine.place, () => engine.unpack({ manifest, config }, signal))
  return await stages.run('record', `${name} (${formatPlatform(image.platform)})`, () =>
    runWorkload(run, engine, {
      image: { name, config },
      unpacked,
      options,
      notifier,
      output: (stream, line) => log.info(`${stream === 'stdout' ? '|' : '!'} ${line}`, { stream, line }),
      signal,
      nextInterrupt,
      onRawTerminal: (isRaw) => {
        log.isRaw = isRaw
      },
    }),
  )
}
