/** What a running process has cost so far. */
import { readdirSync, readFileSync } from 'node:fs'

/** User and system time of all its threads, in seconds: exact where /proc/<pid>/stat counts in steps of 10 ms. */
export function cpuSeconds(pid: number): number {
  const tasks = `/proc/${pid}/task`
  let nanoseconds = 0
  for (const task of readdirSync(tasks))
    nanoseconds += Number(readFileSync(`${tasks}/${task}/schedstat`, 'utf8').split(' ')[0])
  return nanoseconds / 1e9
}

/** The most memory that it has had, shared pages included. */
export function peakRssBytes(pid: number): number {
  const kib = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
  return Number(kib) * 1024
}
