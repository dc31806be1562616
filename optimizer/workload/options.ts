/** How the workload runs and when the run ends; validated before anything runs. */
export interface WorkloadOptions {
  /** Replaces the image's Entrypoint and drops its Cmd; undefined keeps both. */
  entrypoint?: string[]
  /** Replaces the image's Cmd. */
  args?: string[]
  /** `NAME=value` sets, a bare `NAME` removes; over the image's Env. */
  env: string[]
  cwd?: string
  /** `user[:group]`, names or ids, resolved in the image's own passwd and group files. */
  user?: string
  /** Run in the host's network namespace; otherwise in a new one with nothing but a loopback. */
  netHost: boolean
  /** The run ends after this long, or when the workload ends. */
  periodSeconds: number
  /** Grace between the stop signal and SIGKILL. */
  stopTimeoutSeconds: number
  snapshotter: string
}
