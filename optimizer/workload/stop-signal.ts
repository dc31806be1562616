/** The signal that asks a workload to end. */
import { readFileSync } from 'node:fs'
import { constants } from 'node:os'
import { PreconditionError } from '../../shared/errors.ts'

const REALTIME_MIN = 34
const REALTIME_MAX = 64

/**
 * @param text an image's StopSignal: `SIGQUIT`, `quit`, `3`, `SIGRTMIN+3`; undefined and '' mean SIGTERM
 * @throws {PreconditionError} STOP_SIGNAL_INVALID
 * @see OCI image spec, config.md, `StopSignal`
 */
export function stopSignalNumber(text: string | undefined): number {
  if (text === undefined || text === '') return constants.signals.SIGTERM
  const name = text.toUpperCase().replace(/^SIG/, '')
  const known = (constants.signals as Record<string, number | undefined>)[`SIG${name}`]
  if (known !== undefined) return known
  const realtime = /^RT(MIN|MAX)(?:([+-])(\d{1,2}))?$/.exec(name)
  const number = realtime
    ? (realtime[1] === 'MIN' ? REALTIME_MIN : REALTIME_MAX) +
      Number(`${realtime[2] ?? ''}${realtime[3] ?? 0}`)
    : Number(name)
  if (Number.isInteger(number) && number >= 1 && number <= REALTIME_MAX) return number
  throw new PreconditionError(
    'STOP_SIGNAL_INVALID',
    `the image's StopSignal ${JSON.stringify(text)} is not a signal of Linux`,
  )
}

/** As a person knows it: `SIGTERM`. Those that have no name are `signal 40`. */
export function signalName(signalNumber: number): string {
  const found = Object.entries(constants.signals).find(([, number]) => number === signalNumber)
  return found?.[0] ?? `signal ${signalNumber}`
}

/**
 * Whether a signal would do anything to the first process of a pid namespace: the kernel drops what it neither
 * handles nor blocks. @see pid_namespaces(7), "The namespace init process"
 *
 * @param pid in our pid namespace
 */
export function initTakesSignal(pid: number, signalNumber: number): boolean {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'latin1')
    const bit = 1n << BigInt(signalNumber - 1)
    return ['SigCgt', 'SigBlk'].some((name) => {
      const mask = new RegExp(`^${name}:\\s*([0-9a-f]+)$`, 'm').exec(status)?.[1]
      return mask === undefined || (BigInt(`0x${mask}`) & bit) !== 0n
    })
  } catch {
    return true
  }
}
