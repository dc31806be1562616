/** Image config and options → OCI runtime spec. Pure: files are read and namespaces made elsewhere. */
import { posix } from 'node:path'
import { PreconditionError } from '../../shared/errors.ts'
import type { ContainerConfig } from '../image/manifest.ts'
import {
  CAPABILITIES,
  DEVICE_RULES,
  MASKED_PATHS,
  MOUNTS,
  OPEN_FILES_MAX,
  PATH_DEFAULT,
  READONLY_PATHS,
  type SpecMount,
} from './default-spec.ts'
import type { WorkloadOptions } from './options.ts'
import type { ProcessUser } from './user.ts'

/** What runs, as the record tells it. */
export interface ProcessPlan {
  args: string[]
  /** `NAME=value` */
  env: string[]
  /** Absolute. */
  cwd: string
  /** `user[:group]` as asked for; '' is root. */
  user: string
}

/** @throws {PreconditionError} COMMAND_MISSING when neither image nor options name one */
export function planProcess(config: ContainerConfig, options: WorkloadOptions): ProcessPlan {
  const entrypoint = options.entrypoint ?? config.Entrypoint ?? []
  const imageArgs = options.entrypoint === undefined ? (config.Cmd ?? []) : []
  const args = [...entrypoint, ...(options.args ?? imageArgs)]
  if (args.length === 0)
    throw new PreconditionError(
      'COMMAND_MISSING',
      'the image has no Entrypoint and no Cmd: give a command with --entrypoint or --args',
    )
  return {
    args,
    env: environment(config.Env ?? [], options.env),
    cwd: posix.join('/', options.cwd ?? config.WorkingDir ?? ''),
    user: options.user ?? config.User ?? '',
  }
}

/** `changes` over the image's variables: `NAME=value` sets, `NAME` removes. An image without a PATH gets the usual one. */
function environment(image: readonly string[], changes: readonly string[]): string[] {
  const variables = new Map<string, string>()
  const set = (entry: string) => {
    const at = entry.indexOf('=')
    if (at === -1) variables.delete(entry)
    else variables.set(entry.slice(0, at), entry.slice(at + 1))
  }
  for (const entry of image) set(entry)
  if (!variables.has('PATH')) variables.set('PATH', PATH_DEFAULT)
  for (const entry of changes) set(entry)
  return [...variables].map(([name, value]) => `${name}=${value}`)
}

export interface SpecParts {
  plan: ProcessPlan
  user: ProcessUser
  /** Absolute host path of the mounted root file system. */
  rootPath: string
  /** Namespace file of the mount namespace to join. */
  mountNamespacePath: string
  /** Absolute path in the cgroup hierarchies. */
  cgroupPath: string
  /** A new network namespace, or null for the host's. */
  network: { hostname: string } | null
  /** Host files to show, read-only, at paths of the container. */
  files: { source: string; destination: string }[]
}

/** As JSON goes. `process` is also how further processes of the container run. */
export interface RuntimeSpec extends Record<string, unknown> {
  process: Record<string, unknown>
}

/** @see OCI runtime spec, config.md and config-linux.md */
export function runtimeSpec(parts: SpecParts): RuntimeSpec {
  const { plan, user, network } = parts
  return {
    ociVersion: '1.0.2',
    process: {
      terminal: false,
      user,
      args: plan.args,
      env: plan.env,
      cwd: plan.cwd,
      capabilities: { bounding: CAPABILITIES, effective: CAPABILITIES, permitted: CAPABILITIES },
      rlimits: [{ type: 'RLIMIT_NOFILE', soft: OPEN_FILES_MAX, hard: OPEN_FILES_MAX }],
      noNewPrivileges: true,
    },
    root: { path: parts.rootPath, readonly: false },
    ...(network === null ? {} : { hostname: network.hostname }),
    mounts: [...MOUNTS, ...parts.files.map(fileMount)],
    linux: {
      cgroupsPath: parts.cgroupPath,
      resources: { devices: DEVICE_RULES },
      namespaces: [
        { type: 'pid' },
        { type: 'ipc' },
        { type: 'uts' },
        { type: 'mount', path: parts.mountNamespacePath },
        ...(network === null ? [] : [{ type: 'network' }]),
      ],
      maskedPaths: MASKED_PATHS,
      readonlyPaths: READONLY_PATHS,
    },
  }
}

function fileMount({ source, destination }: { source: string; destination: string }): SpecMount {
  return { destination, type: 'bind', source, options: ['bind', 'ro'] }
}
