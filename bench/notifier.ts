/**
 * The notifier beside Debian's `ctr-remote fanotify` and a minimal reader in C: the same workloads, each in a root of
 * its own. docs/benchmarks.md says what is measured and why so.
 *
 *   npm run --silent bench:notifier -- [--rounds 7] [--workload NAME]... [--contestant NAME]... [--scale 1] [--json]
 *
 * stdout is the tables, stderr the progress.
 */
import { parseArgs } from 'node:util'
import { CodedError, messageOf, UsageError } from '../shared/errors.ts'
import { chosen, roundsOf, runBench, say, scaleOf } from './command.ts'
import { describeMachine } from './machine.ts'
import { Arena } from './notifier/arena.ts'
import { bareNodeMs } from './notifier/bare-node.ts'
import { CONTESTANT_IDS, type ContestantId, TITLES } from './notifier/contestants.ts'
import {
  formatNotifierReport,
  type Measured,
  type NotifierReport,
  type WorkloadReport,
  workloadReport,
} from './notifier/report.ts'
import { WORKLOAD_IDS, type Workload, type WorkloadId, workload } from './notifier/workloads.ts'
import { median, rotated } from './statistics.ts'

interface Options {
  rounds: number
  workloads: WorkloadId[]
  contestants: ContestantId[]
  scale: number
  json: boolean
}

function readOptions(): Options {
  const options = {
    rounds: { type: 'string', default: '7' },
    workload: { type: 'string', multiple: true },
    contestant: { type: 'string', multiple: true },
    scale: { type: 'string', default: '1' },
    json: { type: 'boolean', default: false },
  } as const
  try {
    const { rounds, workload, contestant, scale, json } = parseArgs({ options }).values
    return {
      rounds: roundsOf(rounds),
      workloads: chosen('workload', workload, WORKLOAD_IDS),
      contestants: chosen('contestant', contestant, CONTESTANT_IDS),
      scale: scaleOf(scale),
      json,
    }
  } catch (cause) {
    if (cause instanceof CodedError) throw cause
    throw new UsageError('OPTION_UNKNOWN', messageOf(cause), { cause })
  }
}

async function compare(options: Options, signal: AbortSignal): Promise<NotifierReport> {
  const versions = (await describeMachine()).filter(([what]) => what !== 'containerd')
  const bareNode: number[] = []
  const workloads: NotifierReport['workloads'] = []
  for (const id of options.workloads) {
    const work = workload(id, options.scale)
    const eachRound = async () => bareNode.push(await bareNodeMs())
    workloads.push(await compareOn(work, options, eachRound, signal))
  }
  return {
    schemaVersion: 1,
    ...{ versions, rounds: options.rounds },
    bareNode: { median: median(bareNode), rounds: bareNode },
    workloads,
  }
}

async function compareOn(
  work: Workload,
  { rounds, contestants }: Options,
  eachRound: () => Promise<unknown>,
  signal: AbortSignal,
): Promise<WorkloadReport> {
  const measured: Measured[] = contestants.map((id) => ({ id, rounds: [] }))
  const arena = new Arena(work, signal)
  try {
    // Whatever has to come from the disk once has then come.
    await arena.run('nobody')
    for (let round = 0; round < rounds; round++) {
      await eachRound()
      for (const { id, rounds: runs } of rotated(measured, round)) {
        signal.throwIfAborted()
        const run = await arena.run(id)
        runs.push(run)
        say(`${work.id}: round ${round + 1} of ${rounds}: ${TITLES[id]}: ${run.toldSeconds.toFixed(3)} s`)
      }
    }
  } finally {
    arena.remove()
  }
  return workloadReport(work.id, work.title, measured)
}

await runBench(async (signal) => {
  const options = readOptions()
  const report = await compare(options, signal)
  return options.json ? `${JSON.stringify(report, null, 2)}\n` : formatNotifierReport(report)
})
