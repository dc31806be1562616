/** One step of driving: a command in the container, or a request in the workload's network. */
import type { Socket } from 'node:net'
import { messageOf } from '../../../shared/errors.ts'
import type { ContainerExec } from '../container-exec.ts'
import { ask, endpointOf } from '../http-request.ts'
import type { DriveStep } from '../options.ts'
import { connect, formatEndpoint } from '../stop-rules/tcp.ts'
import { poll } from '../stop-rules/until.ts'
import type { LineSink } from '../task-output.ts'

/** As Kubernetes' probes: success and redirection. */
const HTTP_FAILURE_MIN = 400
const CONNECT_INTERVAL_MS = 100
const LINES_SHOWN = 10

export interface DriveMeans {
  exec: Pick<ContainerExec, 'run'>
  /** Of the workload's network, e.g. `/proc/7/ns/net`. */
  networkPath: string
  /** How long a port is waited for that takes no connection yet; null: as long as the run goes on. */
  connectSeconds: number | null
  /** Gets the output of commands. */
  output: LineSink
}

/** How a step ended. */
export interface StepEnd {
  /** Exit status or HTTP status; null when there was none. */
  status: number | null
  failed: boolean
  /** A phrase that goes on after the step's name. */
  found: string
  /** The last of what it said. */
  lastLines: readonly string[]
}

/** Takes a step once; a command or a request is never repeated, for it may have done something. @throws the signal's reason */
export async function takeStep(step: DriveStep, means: DriveMeans, signal: AbortSignal): Promise<StepEnd> {
  return step.kind === 'exec'
    ? await runCommand(step.args, means, signal)
    : await sendRequest(step, means, signal)
}

async function runCommand(
  args: readonly string[],
  { exec, output }: DriveMeans,
  signal: AbortSignal,
): Promise<StepEnd> {
  const { status, lastLines } = await exec.run(args, signal, output)
  const found = status === null ? 'could not be run' : `ended with status ${status}`
  return { status, failed: status !== 0, found, lastLines }
}

async function sendRequest(
  step: Extract<DriveStep, { kind: 'http' }>,
  means: DriveMeans,
  signal: AbortSignal,
): Promise<StepEnd> {
  const unanswered = (found: string): StepEnd => ({ status: null, failed: true, found, lastLines: [] })
  const socket = await firstConnection(step.url, means, signal)
  if (socket === null)
    return unanswered(`had no answer: nothing takes a connection at ${formatEndpoint(endpointOf(step.url))}`)
  try {
    const { status, tail } = await ask(step, socket, signal)
    // To its end: what makes the rest of the answer is used, too.
    const lines = (await tail()).trimEnd().split(/\r?\n/)
    const lastLines = lines.length === 1 && lines[0] === '' ? [] : lines.slice(-LINES_SHOWN)
    const failed = status >= HTTP_FAILURE_MIN
    return { status, failed, found: `was answered with status ${status}`, lastLines }
  } catch (error) {
    signal.throwIfAborted()
    return unanswered(`had no answer: ${messageOf(error)}`)
  } finally {
    socket.destroy()
  }
}

/** Null when nobody takes it in time. @throws the signal's reason */
async function firstConnection(
  url: URL,
  { networkPath, connectSeconds }: DriveMeans,
  signal: AbortSignal,
): Promise<Socket | null> {
  let socket: Socket | null = null
  const attempt = async () => {
    socket = await connect(endpointOf(url), networkPath)
    return socket === null ? null : ''
  }
  const patience = connectSeconds === null ? [] : [AbortSignal.timeout(connectSeconds * 1000)]
  try {
    await poll(attempt, CONNECT_INTERVAL_MS, AbortSignal.any([signal, ...patience]))
  } catch {
    signal.throwIfAborted()
  }
  return socket
}
