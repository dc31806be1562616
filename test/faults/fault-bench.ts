/** An OptimizerBench with images nobody has unpacked yet, and a workload that can be watched. */

import { randomUUID } from 'node:crypto'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { busyboxFiles, type LayerFiles, putImage } from '../helpers/busybox-image.ts'
import type { OptimizerBench } from '../helpers/optimizer-bench.ts'

/** The workload, and for how long: longer than any test. */
export function shell(script: string): string[] {
  return ['--period', '60s', '--entrypoint', JSON.stringify(['sh', '-c', script])]
}

/** Says that it runs, and goes on for a moment: a signal sent then finds it alive. */
export const BRIEF = shell('echo started; sleep 0.3; cat /data/file')
/** Runs until it is ended. */
export const ENDLESS = shell('echo started; while :; do sleep 0.05; done')

/** Makes one image per name, each with a layer of its own. */
export async function putFreshImages(
  bench: OptimizerBench,
  names: string[],
  more: LayerFiles = {},
): Promise<void> {
  await bench.withStores(async (stores) => {
    for (const name of names) {
      const layer = { 'data/': '', 'data/file': name, ...more }
      await putImage(stores, name, [busyboxFiles(), layer], { Env: ['PATH=/bin'] })
    }
  })
}

/** A name of an image for a moment of a run. */
export function nameOf(...words: string[]): string {
  return words
    .join('-')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-|-$/g, '')
}

/** A program for --notifier: this command, with the arguments of a notifier behind it. */
export function notifierProgram(folder: string, command: string[]): string {
  const path = join(folder, `notifier-${randomUUID()}`)
  const words = command.map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(' ')
  writeFileSync(path, `#!/bin/sh\nexec ${words} "$@"\n`, { mode: 0o755 })
  return path
}

/** Living processes that were started with this bench's environment. */
export function processesOf(bench: OptimizerBench): string[] {
  return readdirSync('/proc').flatMap((pid) => {
    if (!/^\d+$/.test(pid)) return []
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
      if (stat.slice(stat.lastIndexOf(')') + 2).startsWith('Z')) return []
      const ours = readFileSync(`/proc/${pid}/environ`, 'latin1').includes(bench.temporaryFolder)
      return ours
        ? [`process ${pid} ${readFileSync(`/proc/${pid}/cmdline`, 'latin1').replaceAll('\0', ' ')}`]
        : []
    } catch {
      return []
    }
  })
}

/** Processes of the bench once there are none, or those that are left after a minute. */
export async function processesAtLast(bench: OptimizerBench): Promise<string[]> {
  const deadline = performance.now() + 60_000
  for (;;) {
    const processes = processesOf(bench)
    if (processes.length === 0 || performance.now() > deadline) return processes
    await delay(20)
  }
}
