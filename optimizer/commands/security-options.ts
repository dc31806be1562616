/** What the workload may do, as options of every command that runs one. */
import { existsSync, readFileSync } from 'node:fs'
import { release } from 'node:os'
import type { Argv } from 'yargs'
import { PreconditionError } from '../../shared/errors.ts'
import { hostPlatform } from '../image/platform.ts'
import { ALL_CAPABILITIES, capabilityName, capabilitySet } from '../workload/spec/capabilities.ts'
import type { ContainerOptions } from '../workload/spec/container-options.ts'
import { parseSeccomp, type Seccomp } from '../workload/spec/seccomp.ts'
import { defaultSeccomp } from '../workload/spec/seccomp-default.ts'
import type { Arguments } from './command.ts'
import { repeated } from './common-options.ts'
import { contradiction, inputFile, invalidOption } from './values.ts'

const GROUP = 'Workload:'

export function addSecurityOptions(yargs: Argv): Argv {
  return yargs
    .option('privileged', {
      group: GROUP,
      type: 'boolean',
      default: false,
      describe: 'all capabilities and devices, nothing of /proc and /sys hidden',
    })
    .option('cap-add', {
      group: GROUP,
      type: 'string',
      array: true,
      describe: 'a capability more: NET_ADMIN, CAP_NET_ADMIN or ALL (repeatable)',
    })
    .option('cap-drop', {
      group: GROUP,
      type: 'string',
      array: true,
      describe: 'a capability less, or ALL (repeatable)',
    })
    .option('security-opt', {
      group: GROUP,
      type: 'string',
      array: true,
      describe:
        'seccomp=default|unconfined|FILE, apparmor=PROFILE, no-new-privileges, systempaths=unconfined (repeatable)',
      defaultDescription: 'seccomp=unconfined',
    })
}

type SecurityOptions = Pick<
  ContainerOptions,
  'privileged' | 'capabilities' | 'seccomp' | 'apparmorProfile' | 'noNewPrivileges' | 'unmaskedPaths'
>

/** @throws {UsageError} @throws {PreconditionError} APPARMOR_MISSING, APPARMOR_PROFILE_MISSING, FILE_UNREADABLE */
export function securityOptions(argv: Arguments): SecurityOptions {
  const privileged = argv.privileged === true
  const capabilities = capabilityOptions(argv, privileged)
  const given = new Map<string, string>()
  for (const text of repeated(argv, 'security-opt')) {
    const [key, value] = securityOption(text)
    if (given.has(key)) throw contradiction(`--security-opt ${key} is given twice: leave one of them out`)
    given.set(key, value)
  }
  const seccomp = seccompOption(given.get('seccomp') ?? 'unconfined', capabilities)
  const apparmorProfile = apparmorOption(given.get('apparmor') ?? 'unconfined')
  return {
    ...(privileged ? { privileged } : {}),
    capabilities,
    ...(seccomp === undefined ? {} : { seccomp }),
    ...(apparmorProfile === undefined ? {} : { apparmorProfile }),
    ...(given.get('no-new-privileges') === 'true' ? { noNewPrivileges: true } : {}),
    ...(given.get('systempaths') === 'unconfined' ? { unmaskedPaths: true } : {}),
  }
}

function capabilityOptions(argv: Arguments, privileged: boolean): string[] {
  const names = (option: string) => repeated(argv, option).map((text) => capability(option, text))
  const add = names('cap-add')
  const drop = names('cap-drop')
  const both = add.find((name) => drop.includes(name))
  if (both !== undefined)
    throw contradiction(`--cap-add and --cap-drop both name ${both}: leave one of them out`)
  if (privileged && drop.length > 0)
    throw contradiction('--privileged gives all capabilities, --cap-drop takes some: leave one of them out')
  if (add.includes(ALL_CAPABILITIES) && add.length > 1)
    throw contradiction('--cap-add ALL has the others in it: leave them out')
  return capabilitySet({ privileged, add, drop }, boundingSet())
}

function capability(option: string, text: string): string {
  const name = capabilityName(text)
  if (name !== undefined) return name
  throw invalidOption(option, text, 'write a capability such as NET_ADMIN or CAP_NET_ADMIN, or ALL')
}

/** What this process, and containerd beside it, can give at most. */
function boundingSet(): bigint {
  const bits = /^CapBnd:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]
  return BigInt(`0x${bits ?? '0'}`)
}

/** `key=value`, docker's older `key:value`, or `no-new-privileges` alone. */
function securityOption(text: string): [key: string, value: string] {
  const [, key = '', value] = /^([a-z-]+)(?:[=:](.+))?$/s.exec(text) ?? []
  if (['seccomp', 'apparmor'].includes(key) && value !== undefined) return [key, value]
  if (key === 'no-new-privileges' && ['true', 'false', undefined].includes(value))
    return [key, value ?? 'true']
  if (key === 'systempaths' && value === 'unconfined') return [key, value]
  throw invalidOption(
    'security-opt',
    text,
    'write seccomp=default|unconfined|FILE, apparmor=PROFILE|unconfined, no-new-privileges[=false] or systempaths=unconfined',
  )
}

function seccompOption(value: string, capabilities: readonly string[]): Seccomp | undefined {
  const { architecture } = hostPlatform()
  if (value === 'unconfined') return undefined
  if (value === 'default') return defaultSeccomp(capabilities, architecture)
  const [major = 0, minor = 0] = release().split('.').map(Number)
  const text = inputFile('security-opt seccomp', value)
  return parseSeccomp(text, value, { capabilities, architecture, kernel: { major, minor } })
}

const APPARMOR_FOLDER = '/sys/module/apparmor'
const APPARMOR_PROFILES = '/sys/kernel/security/apparmor/profiles'

/** The kernel says at the workload's start what it lacks, in words that nobody understands: it is looked at before. */
function apparmorOption(value: string): string | undefined {
  if (value === 'unconfined') return undefined
  if (!existsSync(APPARMOR_FOLDER))
    throw new PreconditionError(
      'APPARMOR_MISSING',
      `--security-opt apparmor=${value}: this kernel runs without AppArmor: leave it out`,
    )
  const profiles = readIfPossible(APPARMOR_PROFILES)
  if (profiles !== null && !profiles.split('\n').some((line) => line.startsWith(`${value} (`)))
    throw new PreconditionError(
      'APPARMOR_PROFILE_MISSING',
      `--security-opt apparmor=${value}: no such profile is loaded: load it with apparmor_parser`,
    )
  return value
}

function readIfPossible(path: string): string | null {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return null
  }
}
