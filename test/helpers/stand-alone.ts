/** The notifier run by hand, for root tests. */
import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'

export const NOTIFIER = fileURLToPath(new URL('../../../bin/notifier', import.meta.url))

export interface Ended {
  status: number | null
  signal: NodeJS.Signals | null
  stdout: string
  stderr: string
}

export interface Started {
  child: ChildProcess
  ended: Promise<Ended>
}

/** stdout and stderr are read as latin1: names are bytes. */
export function startNotifier(args: string[], options: SpawnOptions = {}): Started {
  const child = spawn(process.execPath, [NOTIFIER, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    ...options,
  })
  return { child, ended: collect(child) }
}

export async function runNotifier(args: string[], options: SpawnOptions = {}): Promise<Ended> {
  return await startNotifier(args, options).ended
}

/** Any command line; `$NOTIFIER` in it is the notifier. */
export async function runShell(script: string): Promise<Ended> {
  const env = { ...process.env, NODE: process.execPath, NOTIFIER }
  return await collect(spawn('/bin/sh', ['-c', script], { stdio: ['ignore', 'pipe', 'pipe'], env }))
}

async function collect(child: ChildProcess): Promise<Ended> {
  const read = async (stream: ChildProcess['stdout']) =>
    stream === null ? '' : text(stream.setEncoding('latin1'))
  const [stdout, stderr, [status, signal]] = await Promise.all([
    read(child.stdout),
    read(child.stderr),
    once(child, 'exit'),
  ])
  return { status, signal, stdout, stderr }
}

/** The lines of --format json, of one type. */
export function jsonLines<Line>(output: string, type: string): Line[] {
  return output
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(Buffer.from(line, 'latin1').toString('utf8')))
    .filter((line) => line.type === type)
}
