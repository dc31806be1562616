/** The control group of a run's workload: every process of it is in there, whatever it did to get away. */
import { existsSync, readdirSync, readFileSync, rmdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { systemCodeOf } from '../../shared/errors.ts'

const CGROUP_ROOT = '/sys/fs/cgroup'
const KILL_TIMEOUT_MS = 5000
const POLL_MS = 10

/**
 * Kills the workload without asking containerd, for when that is gone.
 * @param runId names the group, as in the runtime spec
 * @returns when none of its processes is left, or after 5 s
 */
export async function killWorkload(runId: string): Promise<void> {
  const deadline = performance.now() + KILL_TIMEOUT_MS
  for (;;) {
    const pids = groupsOf(runId).flatMap(processesIn)
    if (pids.length === 0 || performance.now() > deadline) return
    for (const pid of pids) kill(pid)
    await delay(POLL_MS)
  }
}

/** Kills what is left in it, and removes it. @returns false when there was none */
export async function removeWorkloadCgroup(runId: string): Promise<boolean> {
  const groups = groupsOf(runId).filter((group) => existsSync(group))
  if (groups.length === 0) return false
  await killWorkload(runId)
  for (const group of groups) removeGroup(group)
  return true
}

function removeGroup(group: string): void {
  for (const inner of foldersIn(group)) removeGroup(inner)
  try {
    rmdirSync(group)
  } catch (error) {
    if (systemCodeOf(error) !== 'ENOENT') throw error
  }
}

/**
 * How many of its processes the kernel has killed because memory ran out: at the group's limit, or everywhere.
 * Version 1 counts in `memory.oom_control`, version 2 in `memory.events`.
 * @param runId names the group, which is still there
 */
export function memoryKills(runId: string): number {
  const files = groupsOf(runId).flatMap((group) => [
    join(group, 'memory.oom_control'),
    join(group, 'memory.events'),
  ])
  const counts = files.map((file) => Number(/^oom_kill (\d+)$/m.exec(textOf(file))?.[1] ?? 0))
  return Math.max(0, ...counts)
}

function textOf(file: string): string {
  try {
    return readFileSync(file, 'latin1')
  } catch {
    return ''
  }
}

/** In every hierarchy: one of its own in version 2, one per controller in version 1. */
function groupsOf(runId: string): string[] {
  return [CGROUP_ROOT, ...foldersIn(CGROUP_ROOT)].map((hierarchy) => join(hierarchy, runId))
}

/** Also those in groups that the workload has made inside its own. */
function processesIn(group: string): number[] {
  // 0 stands for a process of another pid namespace, which cannot be named here.
  const own = textOf(join(group, 'cgroup.procs'))
    .split('\n')
    .map(Number)
    .filter((pid) => pid > 0)
  return [...own, ...foldersIn(group).flatMap(processesIn)]
}

function foldersIn(folder: string): string[] {
  try {
    const entries = readdirSync(folder, { withFileTypes: true })
    return entries.filter((entry) => entry.isDirectory()).map(({ name }) => join(folder, name))
  } catch {
    return []
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch (error) {
    if (systemCodeOf(error) !== 'ESRCH') throw error
  }
}
