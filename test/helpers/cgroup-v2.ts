/** What version 2 of control groups lacks on a machine that has its controllers in hierarchies of version 1. */
import { readFileSync, statfsSync } from 'node:fs'

const CGROUP2_SUPER_MAGIC = 0x63677270
const CAP_SYS_RESOURCE = 24n

/** Why limits cannot be set, as `ctr run` does in every container, or false. */
export function lackOfControllers(): string | false {
  if (!isAlone()) return false
  const controllers = readFileSync('/sys/fs/cgroup/cgroup.controllers', 'utf8').trim().split(' ')
  const missing = ['cpu', 'memory', 'pids'].filter((name) => !controllers.includes(name))
  return missing.length === 0 ? false : `version 2 of control groups has no ${missing.join(', ')} here`
}

/** Why crun, which raises its limit of locked memory for rules of devices there, cannot run, or false. */
export function lackOfResourceCapability(): string | false {
  const [, held = '0'] = /^CapEff:\s*(\w+)$/m.exec(readFileSync('/proc/self/status', 'utf8')) ?? []
  const has = ((BigInt(`0x${held}`) >> CAP_SYS_RESOURCE) & 1n) === 1n
  return isAlone() && !has ? 'crun needs CAP_SYS_RESOURCE where version 2 of control groups is alone' : false
}

function isAlone(): boolean {
  return statfsSync('/sys/fs/cgroup').type === CGROUP2_SUPER_MAGIC
}
