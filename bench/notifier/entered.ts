/** Runs a workload by enter.c, which says what it cost. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { text } from 'node:stream/consumers'
import { CodedError } from '../../shared/errors.ts'
import { buildProgram } from './programs.ts'

export interface Entered {
  /** On CLOCK_MONOTONIC. */
  startedNs: number
  endedNs: number
  /** User and system time, of all its processes. */
  cpuSeconds: number
  /** Of its largest process. */
  peakRssBytes: number
}

/**
 * What runs `command` in `root`.
 * @param namespace pid of the process in whose mount namespace it runs; `own`: a new one; `same`: the caller's
 * @param figures file for `readFigures`
 */
export function enterCommand(
  namespace: number | 'own' | 'same',
  root: string,
  figures: string,
  command: string[],
): string[] {
  return [buildProgram('enter'), String(namespace), root, figures, ...command]
}

/** Runs it to its end. @returns its stdout @throws {CodedError} WORKLOAD_FAILED */
export async function runEntered(command: string[], signal: AbortSignal): Promise<string> {
  const [program = '', ...args] = command
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], signal })
  const [output, errors, [status]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close') as Promise<[number | null]>,
  ])
  if (status === 0) return output
  throw new CodedError('WORKLOAD_FAILED', `${command.join(' ')} ended with ${status}: ${errors.trim()}`)
}

export function readFigures(path: string): Entered {
  const { startedNs, endedNs, cpuMicroseconds, maxRssKib } = JSON.parse(readFileSync(path, 'utf8'))
  return { startedNs, endedNs, cpuSeconds: cpuMicroseconds / 1e6, peakRssBytes: maxRssKib * 1024 }
}
