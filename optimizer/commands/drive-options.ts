/** What is done to a workload once it is ready, as options of every command that runs one. */
import type { Argv } from 'yargs'
import { UsageError } from '../../shared/errors.ts'
import type { DriveStep, WorkloadOptions } from '../workload/options.ts'
import type { Arguments } from './command.ts'
import { repeated } from './common-options.ts'
import { DRIVE_ORDER, type DriveKind } from './drive-order.ts'
import { commandArgs, invalidOption, localHttpUrl } from './values.ts'

const HTTP_FORM = 'write METHOD URL or METHOD URL BODY, such as "GET http://localhost:8080/"'
/** Bodies of an answer come to these, and no other connection is made of it. */
const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']

export function addDriveOptions(yargs: Argv): Argv {
  const option = { group: 'Driving the workload:', type: 'string', array: true } as const
  return yargs
    .option('exec', {
      ...option,
      describe:
        'once ready, run this command, a JSON array, in the container: it must end with status 0 (repeatable, in order)',
    })
    .option('http', {
      ...option,
      describe:
        'once ready, send this request in its network: "GET URL" or "POST URL BODY"; an answer of 400 and more fails (repeatable, in order)',
    })
}

/** @throws {UsageError} */
export function driveOptions(argv: Arguments): Pick<WorkloadOptions, 'drive'> {
  const steps = { exec: repeated(argv, 'exec').map(execStep), http: repeated(argv, 'http').map(httpStep) }
  const order = (argv[DRIVE_ORDER] ?? []) as readonly DriveKind[]
  const typed = order.flatMap((kind) => steps[kind].splice(0, 1))
  // What a file says comes without an order of the two kinds.
  const drive: DriveStep[] = [...typed, ...steps.exec, ...steps.http]
  if (drive.length === 0) return {}
  if (argv['wait-on-signal'] === true) {
    throw new UsageError(
      'OPTIONS_CONTRADICT',
      `--wait-on-signal lets a person end the run, --${drive[0]?.kind} ends it when it is through: leave one of them out`,
    )
  }
  return { drive }
}

function execStep(text: string): DriveStep {
  return { kind: 'exec', args: commandArgs('exec', text) }
}

function httpStep(text: string): DriveStep {
  const [, method = 'GET', url = '', body] = /^(?:([A-Za-z]+)\s+)?(\S+)(?:\s+(.+))?$/s.exec(text.trim()) ?? []
  const step = { kind: 'http', method: method.toUpperCase(), url: localHttpUrl('http', url) } as const
  if (!METHODS.includes(step.method))
    throw invalidOption('http', text, `the method must be one of ${METHODS.join(', ')}`)
  if (body === undefined) return step
  if (['GET', 'HEAD'].includes(step.method))
    throw invalidOption('http', text, `${step.method} has no body; ${HTTP_FORM}`)
  return { ...step, body }
}
