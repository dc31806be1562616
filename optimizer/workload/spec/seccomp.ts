/** Which system calls a container may make: the form of a runtime spec, and docker's form with its conditions. */
import { UsageError } from '../../../shared/errors.ts'

/** @see OCI runtime spec, config-linux.md, "Seccomp" */
export interface Seccomp {
  defaultAction: string
  defaultErrnoRet?: number
  architectures?: string[]
  flags?: string[]
  syscalls?: SeccompRule[]
}

export interface SeccompRule {
  names: string[]
  action: string
  errnoRet?: number
  args?: SeccompArgument[]
}

export interface SeccompArgument {
  index: number
  value: number
  valueTwo?: number
  op: string
}

/** What a profile's conditions are about. */
export interface SeccompHost {
  /** Of the container, as `CAP_CHOWN`. */
  capabilities: readonly string[]
  /** As Go names it: `amd64`, `arm64`. */
  architecture: string
  kernel: { major: number; minor: number }
}

const NATIVE: Readonly<Record<string, string[]>> = {
  amd64: ['SCMP_ARCH_X86_64', 'SCMP_ARCH_X86', 'SCMP_ARCH_X32'],
  arm64: ['SCMP_ARCH_AARCH64', 'SCMP_ARCH_ARM'],
}

/** Those whose programs a machine runs; undefined: its own alone. */
export function seccompArchitectures(architecture: string): string[] | undefined {
  return NATIVE[architecture]
}

type Json = Record<string, unknown>

/**
 * @param text a profile in the form of a runtime spec's `linux.seccomp`, or in docker's, where rules have conditions
 *   (`includes`, `excludes`) and architectures are a map (`archMap`)
 * @param where names the file, for messages
 * @throws {UsageError} SECCOMP_INVALID
 */
export function parseSeccomp(text: string, where: string, host: SeccompHost): Seccomp {
  const refuse = (problem: string) =>
    new UsageError('SECCOMP_INVALID', `${where} is no seccomp profile: ${problem}`)
  let profile: unknown
  try {
    profile = JSON.parse(text)
  } catch (cause) {
    throw refuse((cause as Error).message)
  }
  if (!isObject(profile)) throw refuse('it is not a JSON object')
  const { defaultAction, syscalls = [] } = profile
  if (typeof defaultAction !== 'string') throw refuse('it has no "defaultAction"')
  if (!Array.isArray(syscalls)) throw refuse('"syscalls" is not an array')
  const rules = syscalls.flatMap((rule, index) => {
    const problem = ruleProblem(rule)
    if (problem !== undefined) throw refuse(`syscalls[${index}] ${problem}`)
    return applies(rule, host) ? [specRule(rule)] : []
  })
  const architectures = architecturesOf(profile, host)
  return {
    defaultAction,
    ...(typeof profile.defaultErrnoRet === 'number' ? { defaultErrnoRet: profile.defaultErrnoRet } : {}),
    ...(architectures === undefined ? {} : { architectures }),
    ...(isStrings(profile.flags) ? { flags: profile.flags } : {}),
    syscalls: rules,
  }
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isStrings(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string')
}

function ruleProblem(rule: unknown): string | undefined {
  if (!isObject(rule)) return 'is not an object'
  if (!isStrings(rule.names) && typeof rule.name !== 'string') return 'names no system call'
  if (typeof rule.action !== 'string') return 'has no "action"'
  if (rule.args !== undefined && rule.args !== null && !Array.isArray(rule.args))
    return 'has "args" that are no array'
  return undefined
}

function specRule(rule: Json): SeccompRule {
  const args = (rule.args ?? []) as SeccompArgument[]
  return {
    names: isStrings(rule.names) ? rule.names : [rule.name as string],
    action: rule.action as string,
    ...(typeof rule.errnoRet === 'number' ? { errnoRet: rule.errnoRet } : {}),
    ...(args.length === 0 ? {} : { args }),
  }
}

/** docker's conditions: what is included must all hold, of what is excluded nothing may. */
function applies(rule: Json, host: SeccompHost): boolean {
  const { includes, excludes } = rule
  return conditions(includes, host).every(Boolean) && !conditions(excludes, host).some(Boolean)
}

function conditions(filter: unknown, { capabilities, architecture, kernel }: SeccompHost): boolean[] {
  if (!isObject(filter)) return []
  const { caps, arches, minKernel } = filter
  const [, major, minor] = /^(\d+)\.(\d+)/.exec(typeof minKernel === 'string' ? minKernel : '') ?? []
  return [
    ...(isStrings(caps) ? caps.map((name) => capabilities.includes(name)) : []),
    ...(isStrings(arches) && arches.length > 0 ? [arches.includes(architecture)] : []),
    ...(major === undefined
      ? []
      : [kernel.major > Number(major) || (kernel.major === Number(major) && kernel.minor >= Number(minor))]),
  ]
}

function architecturesOf({ architectures, archMap }: Json, host: SeccompHost): string[] | undefined {
  if (isStrings(architectures) && architectures.length > 0) return architectures
  const native = seccompArchitectures(host.architecture)?.[0]
  const maps: unknown[] = Array.isArray(archMap) ? archMap : []
  const map = maps.find((each) => isObject(each) && each.architecture === native)
  if (native === undefined || !isObject(map)) return undefined
  return [native, ...(isStrings(map.subArchitectures) ? map.subArchitectures : [])]
}
