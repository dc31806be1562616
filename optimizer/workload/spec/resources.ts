/** What the workload may take of the machine, and which devices it may open. */
import type { ContainerOptions, SpecDevice } from './container-options.ts'
import { DEVICE_RULES, type DeviceRule } from './default-spec.ts'

/** Microseconds that a share of the processors is counted over; the kernel's own default. */
const CPU_PERIOD = 100_000

/** Whether a program that asks for its limits gets an answer of its own. */
export function hasLimits({ memoryBytes, cpus, pidsMax }: ContainerOptions): boolean {
  return memoryBytes !== undefined || cpus !== undefined || pidsMax !== undefined
}

/** The same words for both versions of control groups: the runtime translates. */
export function specResources(container: ContainerOptions): Record<string, unknown> {
  const { memoryBytes, cpus, pidsMax, privileged, devices } = container
  const rules: readonly DeviceRule[] =
    privileged === true
      ? [{ allow: true, access: 'rwm' }]
      : [...DEVICE_RULES, ...(devices?.nodes ?? []).map(rule)]
  return {
    devices: rules,
    ...(memoryBytes === undefined ? {} : { memory: { limit: memoryBytes } }),
    ...(cpus === undefined ? {} : { cpu: { quota: Math.round(cpus * CPU_PERIOD), period: CPU_PERIOD } }),
    ...(pidsMax === undefined ? {} : { pids: { limit: pidsMax } }),
  }
}

function rule({ type, major, minor, access }: SpecDevice): DeviceRule {
  return { allow: true, type, access, major, minor }
}
