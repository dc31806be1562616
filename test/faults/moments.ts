/** Moments of a run, and what makes something happen at one of them. */
export const STAGES = ['resolve', 'unpack', 'record', 'read layers', 'convert', 'publish'] as const

/** While the workload runs: it prints this. */
export const RUNNING = '| started'

/** How stderr tells each moment. */
export const MOMENTS: string[] = [...STAGES.map((stage) => `${stage}: `), RUNNING]

const PRELOAD = new URL('./preload.js', import.meta.url).href

/** Environment of an optimizer to whose new layers below `folder` something happens before they are compared. */
export function damagedBeforeVerify(folder: string): Record<string, string> {
  return { NODE_OPTIONS: `--import=${PRELOAD}`, FAULT_LINE: 'verify: ', FAULT_DAMAGE: folder }
}

/** Environment of an optimizer that sends a signal at this moment: to itself, or to `pid`. */
export function signalAt(
  line: string,
  signal: NodeJS.Signals,
  { pid, delayMs }: { pid?: number; delayMs?: number } = {},
): Record<string, string> {
  return {
    NODE_OPTIONS: `--import=${PRELOAD}`,
    FAULT_LINE: line,
    FAULT_SIGNAL: signal,
    ...(pid === undefined ? {} : { FAULT_PID: String(pid) }),
    ...(delayMs === undefined ? {} : { FAULT_DELAY: String(delayMs) }),
  }
}
