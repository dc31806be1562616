/** Several workloads of one image, each with options of its own. Only a file can say so: docs/config.md. */
import { CodedError } from '../../shared/errors.ts'
import type { NamedWorkload } from '../record-workloads.ts'
import type { Arguments, NamedArguments } from './command.ts'
import { optionsOf } from './command-facts.ts'
import { addWorkloadOptions, workloadOptions } from './workload-options.ts'

/** Of the whole recording, however many workloads there are. */
const COMMON_GROUP = 'Recording:'
const COMMON_OPTIONS = ['snapshotter', 'runner', 'cache-dir']

/** Options that each of several workloads may have for itself. */
export function workloadOptionNames(): string[] {
  return optionsOf(addWorkloadOptions)
    .filter(({ name, group }) => group !== COMMON_GROUP && !COMMON_OPTIONS.includes(name))
    .map(({ name }) => name)
}

/** What is wrong with the options of one of them, in the words, code and exit code of the cause. */
export class WorkloadOptionsError extends CodedError {
  /** Which of them, from 0. */
  readonly index: number

  constructor(cause: CodedError, index: number) {
    super(cause.code, cause.message, { cause, exitCode: cause.exitCode })
    this.index = index
  }
}

/** @throws {WorkloadOptionsError} */
export function namedWorkloads(argv: Arguments): NamedWorkload[] {
  return ((argv.workloads ?? []) as NamedArguments[]).map((one, index) => {
    try {
      return { name: one.name, options: workloadOptions(one.argv) }
    } catch (error) {
      throw error instanceof CodedError ? new WorkloadOptionsError(error, index) : error
    }
  })
}
