/** What surrounds the workload's process, as the runtime spec has it; undefined is the usual. @see docs/workload.md */
import type { RuntimeChoice } from '../../containerd/runtime-choice.ts'
import type { SpecMount } from './default-spec.ts'
import type { Seccomp } from './seccomp.ts'

export interface ContainerOptions {
  /** An entrypoint in place of the image's keeps the image's Cmd behind it. */
  keepCmd?: boolean
  hostname?: string
  /** The root cannot be written to. */
  readOnly?: boolean
  /** In place of whatever is mounted there otherwise; parents before their children. */
  mounts?: readonly SpecMount[]
  /** Of /dev/shm. */
  shmBytes?: number
  /** Every path of /proc and /sys as it is, /sys writable, every device allowed. */
  privileged?: boolean
  /** In the form `CAP_CHOWN`. */
  capabilities?: readonly string[]
  noNewPrivileges?: boolean
  /** Which system calls are refused; undefined: none. */
  seccomp?: Seccomp
  apparmorProfile?: string
  /** No path of /proc and /sys is hidden or read-only. */
  unmaskedPaths?: boolean
  rlimits?: readonly ResourceLimit[]
  memoryBytes?: number
  /** How many of the machine's at most, in time. */
  cpus?: number
  pidsMax?: number
  /** Of the container in containerd. */
  labels?: Readonly<Record<string, string>>
  /** Host path of a static program that becomes the container's first process. */
  init?: string
  runtime?: RuntimeChoice
  resolver?: ResolverOptions
  /** Further lines of /etc/hosts. */
  hosts?: readonly HostEntry[]
  devices?: DeviceEdits
}

export interface ResourceLimit {
  /** `RLIMIT_NOFILE` */
  type: string
  soft: number | bigint
  hard: number | bigint
}

/** Lines of resolv.conf, each kind in place of what would be there otherwise. @see resolv.conf(5) */
export interface ResolverOptions {
  nameservers: readonly string[]
  searchDomains: readonly string[]
  options: readonly string[]
}

export interface HostEntry {
  /** IPv4 or IPv6. */
  address: string
  name: string
}

/** What devices bring into the container. */
export interface DeviceEdits {
  /** `NAME=value` */
  env: readonly string[]
  nodes: readonly SpecDevice[]
  mounts: readonly SpecMount[]
  /** By their stage, as in the runtime spec. */
  hooks: Readonly<Record<string, readonly SpecHook[]>>
  /** Groups that the process is in besides its own. */
  additionalGids: readonly number[]
}

/** @see OCI runtime spec, config-linux.md, "Devices" */
export interface SpecDevice {
  path: string
  type: 'b' | 'c' | 'p'
  major: number
  minor: number
  fileMode?: number
  uid?: number
  gid?: number
  /** For the control group: some of r, w, m. */
  access: string
}

/** @see OCI runtime spec, config.md, "POSIX-platform Hooks" */
export interface SpecHook {
  path: string
  args?: string[]
  env?: string[]
  timeout?: number
}
