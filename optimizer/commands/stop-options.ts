/** When the run of a workload ends, as options of every command that runs one. */
import type { Argv } from 'yargs'
import { messageOf, UsageError } from '../../shared/errors.ts'
import type { Endpoint, StopOptions } from '../workload/options.ts'
import { PERIOD_SECONDS_DEFAULT, READY_SECONDS_DEFAULT } from '../workload/stop-rules/stop-plan.ts'
import type { Arguments } from './command.ts'
import { repeated, single } from './common-options.ts'
import { commandArgs, durationSeconds, invalidOption, isLocalHost, localHttpUrl } from './values.ts'

const STOP_TIMEOUT_DEFAULT = '5s'
const PORT_MAX = 65535

export function addStopOptions(yargs: Argv): Argv {
  const option = { group: 'When the run ends:', type: 'string' } as const
  const repeatable = { ...option, array: true } as const
  return yargs
    .option('period', {
      ...option,
      defaultDescription: `${PERIOD_SECONDS_DEFAULT}s, until ready at most ${READY_SECONDS_DEFAULT}s`,
      describe:
        'how long the workload runs unless it ends by itself; beside other rules their bound: 10s, 500ms, 2m',
    })
    .option('wait-on-signal', {
      ...option,
      type: 'boolean',
      default: false,
      describe: 'run until SIGINT (Ctrl-C), which then ends the run and nothing else',
    })
    .option('wait-on-line', {
      ...repeatable,
      describe: 'ready when a line of its output has this text (repeatable)',
    })
    .option('wait-on-regex', {
      ...repeatable,
      describe: 'ready when a line of its output matches (repeatable)',
    })
    .option('ready-tcp', {
      ...repeatable,
      describe: 'ready when HOST:PORT in its network takes a connection (repeatable)',
    })
    .option('ready-http', {
      ...repeatable,
      describe: 'ready when the URL, in its network, answers with a status from 200 to 399 (repeatable)',
    })
    .option('ready-exec', {
      ...repeatable,
      describe: 'ready when this command, a JSON array, ends with status 0 in the container (repeatable)',
    })
    .option('settle', {
      ...option,
      describe: 'once ready and driven, go on until no new file was opened for this long: 500ms',
    })
    .option('stop-timeout', {
      ...option,
      default: STOP_TIMEOUT_DEFAULT,
      describe: 'how long the workload has between its stop signal and SIGKILL',
    })
}

/** @throws {UsageError} */
export function stopOptions(argv: Arguments): StopOptions {
  const period = single(argv, 'period')
  const settle = single(argv, 'settle')
  const options: StopOptions = {
    ...(period === undefined ? {} : { periodSeconds: durationSeconds('period', period) }),
    waitOnSignal: argv['wait-on-signal'] === true,
    waitOnLine: repeated(argv, 'wait-on-line').map(lineText),
    waitOnRegex: repeated(argv, 'wait-on-regex').map(pattern),
    readyTcp: repeated(argv, 'ready-tcp').map(endpoint),
    readyHttp: repeated(argv, 'ready-http').map((text) => localHttpUrl('ready-http', text)),
    readyExec: repeated(argv, 'ready-exec').map((text) => commandArgs('ready-exec', text)),
    ...(settle === undefined ? {} : { settleSeconds: durationSeconds('settle', settle) }),
    stopTimeoutSeconds: durationSeconds('stop-timeout', single(argv, 'stop-timeout') ?? STOP_TIMEOUT_DEFAULT),
  }
  requireAgreement(argv, options)
  return options
}

/** Rules that a person decides by and rules that the workload decides by cannot both have the last word. */
function requireAgreement(
  argv: Arguments,
  { periodSeconds, settleSeconds, waitOnSignal }: StopOptions,
): void {
  const names = ['wait-on-line', 'wait-on-regex', 'ready-tcp', 'ready-http', 'ready-exec', 'settle']
  const given = names.find((name) => argv[name] !== undefined)
  if (waitOnSignal && given !== undefined) {
    throw new UsageError(
      'OPTIONS_CONTRADICT',
      `--wait-on-signal lets a person end the run, --${given} the workload: leave one of them out`,
    )
  }
  if (settleSeconds !== undefined && periodSeconds !== undefined && settleSeconds >= periodSeconds) {
    throw new UsageError(
      'OPTIONS_CONTRADICT',
      `--settle ${settleSeconds} s never comes within --period ${periodSeconds} s: make the period longer`,
    )
  }
}

function lineText(text: string): string {
  if (text !== '' && !/[\n\r]/.test(text)) return text
  throw invalidOption('wait-on-line', text, 'write a part of one line')
}

function pattern(text: string): RegExp {
  if (text === '') throw invalidOption('wait-on-regex', text, 'write a pattern of JavaScript')
  try {
    return new RegExp(text, 'u')
  } catch (cause) {
    throw invalidOption('wait-on-regex', text, `write a pattern of JavaScript (${messageOf(cause)})`)
  }
}

function endpoint(text: string): Endpoint {
  const match = /^(?:\[(.+)\]|([^:]+)):(\d+)$/.exec(text)
  const address = match?.[1] ?? match?.[2] ?? ''
  const port = Number(match?.[3])
  if (isLocalHost(address, match?.[1] !== undefined) && port >= 1 && port <= PORT_MAX)
    return { address, port }
  throw invalidOption('ready-tcp', text, 'write ADDRESS:PORT such as 127.0.0.1:80, [::1]:80 or localhost:80')
}
