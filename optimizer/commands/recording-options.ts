/** What is recorded and what a record must be, as options of every command that records. */
import type { Argv } from 'yargs'
import { UsageError } from '../../shared/errors.ts'
import type { RecordingOptions } from '../recording.ts'
import type { WorkloadOptions } from '../workload/options.ts'
import type { Arguments } from './command.ts'
import { single } from './common-options.ts'
import { oneOf, outputFile } from './values.ts'

const GROUP = 'Recording:'
/** In place of a file. */
const STDOUT = '-'
const MARKS = ['auto', 'filesystem', 'mount'] as const
const LOSS_ANSWERS = ['fail', 'warn'] as const

export function addRecordingOptions(yargs: Argv): Argv {
  return yargs
    .option('record-out', {
      group: GROUP,
      type: 'string',
      describe: 'write the record to this file; - is stdout where nothing else is',
    })
    .option('on-loss', {
      group: GROUP,
      choices: LOSS_ANSWERS,
      default: 'fail',
      describe: 'what to do when accesses are known to be missing: fail is exit code 5',
    })
    .option('allow-workload-failure', {
      group: GROUP,
      type: 'boolean',
      default: false,
      describe: 'go on when the workload fails, never gets ready or reads nothing: else exit code 4',
    })
    .option('mark', {
      group: GROUP,
      choices: MARKS,
      default: 'auto',
      describe: "what is watched: the root's file system (overlays only) or its mount",
    })
    .option('record-reads', {
      group: GROUP,
      type: 'boolean',
      default: false,
      describe:
        'tell files that were read from those only opened or mapped; costs the workload a little more',
    })
    .option('no-create-phase', {
      group: GROUP,
      type: 'boolean',
      default: false,
      describe: "leave out what the runtime's init and hooks read before the workload's start",
    })
    .option('notifier', {
      group: GROUP,
      type: 'string',
      describe: 'a program that watches in place of ours and speaks its protocol (docs/protocol.md)',
    })
}

/** @param onStdout whether the record may be the result itself. @throws {UsageError} */
export function recordingOptions(argv: Arguments, onStdout: boolean): RecordingOptions {
  const recordOut = single(argv, 'record-out')
  if (recordOut === STDOUT && (!onStdout || argv.json === true)) {
    const other = onStdout ? 'the document of --json' : 'the digest, or the document of --json'
    throw new UsageError('OPTIONS_CONTRADICT', `--record-out - is stdout, which has ${other}: name a file`)
  }
  return {
    recordOut: recordOut === undefined || recordOut === STDOUT ? null : outputFile('record-out', recordOut),
    onLoss: oneOf('on-loss', single(argv, 'on-loss') ?? 'fail', LOSS_ANSWERS),
    allowWorkloadFailure: argv['allow-workload-failure'] === true,
    createPhase: argv['no-create-phase'] !== true,
  }
}

/** Those of the recording's options that the run itself has to know. */
export function watchOptions(
  argv: Arguments,
): Pick<WorkloadOptions, 'mark' | 'recordReads' | 'allowFailure'> {
  const mark = oneOf('mark', single(argv, 'mark') ?? 'auto', MARKS)
  return {
    ...(mark === 'auto' ? {} : { mark }),
    recordReads: argv['record-reads'] === true,
    allowFailure: argv['allow-workload-failure'] === true,
  }
}
