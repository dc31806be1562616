/** Image config and options → OCI runtime spec. Pure: files are read and namespaces made elsewhere. */
import { posix } from 'node:path'
import { PreconditionError } from '../../../shared/errors.ts'
import type { ContainerConfig } from '../../image/manifest.ts'
import type { WorkloadOptions } from '../options.ts'
import type { ContainerOptions } from './container-options.ts'
import { CAPABILITIES, MASKED_PATHS, OPEN_FILES_MAX, PATH_DEFAULT, READONLY_PATHS } from './default-spec.ts'
import { specMounts } from './mounts.ts'
import { hasLimits, specResources } from './resources.ts'
import type { ProcessUser } from './user.ts'

/** What terminals are taken for where nobody says. */
const TERMINAL_KIND = 'TERM=xterm'

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
  const keepsCmd = options.entrypoint === undefined || options.container?.keepCmd === true
  const args = [...entrypoint, ...(options.args ?? (keepsCmd ? (config.Cmd ?? []) : []))]
  if (args.length === 0)
    throw new PreconditionError(
      'COMMAND_MISSING',
      'the image has no Entrypoint and no Cmd: give a command with --entrypoint or --args',
    )
  return {
    args,
    env: environment(
      [...(options.terminal ? [TERMINAL_KIND] : []), ...(config.Env ?? [])],
      [...(options.container?.devices?.env ?? []), ...options.env],
    ),
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
  /** Host files to show at paths of the container: the run's own copies, which the workload may write to. */
  files: { source: string; destination: string }[]
  container?: ContainerOptions | undefined
  /** The process has one; its stdout is that. */
  terminal?: boolean
}

/** As JSON goes, but for limits beyond its numbers. `process` is also how further processes of the container run. */
export interface RuntimeSpec extends Record<string, unknown> {
  process: Record<string, unknown>
}

/** Where docker has its own. */
const INIT_PATH = '/sbin/docker-init'

/** @see OCI runtime spec, config.md and config-linux.md */
export function runtimeSpec(parts: SpecParts): RuntimeSpec {
  const { network, container = {} } = parts
  const hostname = container.hostname ?? network?.hostname
  const unmasked = container.privileged === true || container.unmaskedPaths === true
  const nodes = container.devices?.nodes ?? []
  const hooks = container.devices?.hooks ?? {}
  return {
    ociVersion: '1.0.2',
    process: specProcess(parts, container),
    root: { path: parts.rootPath, readonly: container.readOnly === true },
    ...(hostname === undefined ? {} : { hostname }),
    mounts: specMounts(container, [
      ...parts.files.map((file) => ({ ...file, writable: true })),
      ...(container.init === undefined
        ? []
        : [{ source: container.init, destination: INIT_PATH, writable: false }]),
    ]),
    ...(Object.keys(hooks).length === 0 ? {} : { hooks }),
    linux: {
      cgroupsPath: parts.cgroupPath,
      resources: specResources(container),
      namespaces: [
        { type: 'pid' },
        { type: 'ipc' },
        { type: 'uts' },
        { type: 'mount', path: parts.mountNamespacePath },
        ...(network === null ? [] : [{ type: 'network' }]),
        ...(hasLimits(container) ? [{ type: 'cgroup' }] : []),
      ],
      ...(nodes.length === 0 ? {} : { devices: nodes.map(({ access: _, ...node }) => node) }),
      ...(container.seccomp === undefined ? {} : { seccomp: container.seccomp }),
      maskedPaths: unmasked ? [] : MASKED_PATHS,
      readonlyPaths: unmasked ? [] : READONLY_PATHS,
    },
  }
}

function specProcess(
  { plan, user, terminal = false }: SpecParts,
  container: ContainerOptions,
): Record<string, unknown> {
  const capabilities = container.capabilities ?? CAPABILITIES
  const gids = container.devices?.additionalGids ?? []
  const rlimits = container.rlimits ?? []
  const openFiles = { type: 'RLIMIT_NOFILE', soft: OPEN_FILES_MAX, hard: OPEN_FILES_MAX }
  return {
    terminal,
    user: { ...user, additionalGids: [...new Set([...user.additionalGids, ...gids])] },
    args: container.init === undefined ? plan.args : [INIT_PATH, '--', ...plan.args],
    env: plan.env,
    cwd: plan.cwd,
    capabilities: { bounding: capabilities, effective: capabilities, permitted: capabilities },
    rlimits: rlimits.some(({ type }) => type === openFiles.type) ? rlimits : [openFiles, ...rlimits],
    noNewPrivileges: container.noNewPrivileges === true,
    ...(container.apparmorProfile === undefined ? {} : { apparmorProfile: container.apparmorProfile }),
  }
}
