/** The workload's stdin and terminal, as options of every command that runs one. */
import type { Argv } from 'yargs'
import type { WorkloadOptions } from '../workload/options.ts'
import type { Arguments } from './command.ts'

/** Each says when a run ends. */
const STOP_OPTIONS = [
  'period',
  'wait-on-line',
  'wait-on-regex',
  'ready-tcp',
  'ready-http',
  'ready-exec',
  'settle',
  'exec',
  'http',
]

export function addTerminalOptions(yargs: Argv): Argv {
  const option = { group: 'Workload:', type: 'boolean', default: false } as const
  return yargs
    .option('interactive', {
      ...option,
      alias: 'i',
      describe: "this command's stdin is the workload's, to its end",
    })
    .option('terminal', {
      ...option,
      alias: 't',
      describe:
        'the workload has a terminal, shown on /dev/tty; with -i all keys are its own but Ctrl-P Ctrl-Q, which are the Ctrl-C of this command',
    })
}

/** A person at the keyboard decides when it is enough, unless another rule is given. */
export function terminalOptions(
  argv: Arguments,
): Pick<WorkloadOptions, 'interactive' | 'terminal' | 'waitOnSignal'> {
  const interactive = argv.interactive === true
  const terminal = argv.terminal === true
  const isOpenEnded = interactive && terminal && STOP_OPTIONS.every((name) => argv[name] === undefined)
  return {
    ...(interactive ? { interactive } : {}),
    ...(terminal ? { terminal } : {}),
    ...(isOpenEnded ? { waitOnSignal: true } : {}),
  }
}
