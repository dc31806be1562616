/** How the workload runs, what is watched, and when the run ends; validated before anything runs. */
import type { MarkKind } from '../../shared/messages.ts'
import type { CniNetwork } from './cni/network.ts'
import type { ContainerOptions } from './spec/container-options.ts'

export interface WorkloadOptions extends StopOptions {
  /** Replaces the image's Entrypoint and drops its Cmd, unless that is kept; undefined keeps both. */
  entrypoint?: string[]
  /** Replaces the image's Cmd. */
  args?: string[]
  /** `NAME=value` sets, a bare `NAME` removes; over the image's Env, later ones over earlier ones. */
  env: string[]
  cwd?: string
  /** `user[:group]`, names or ids, resolved in the image's own passwd and group files. */
  user?: string
  /** Run in the host's network namespace; otherwise in a new one with nothing but a loopback. */
  netHost: boolean
  /** What surrounds the process; undefined: what is usual. */
  container?: ContainerOptions
  /** Networks that others define, in place of a new one of nothing but a loopback. */
  cni?: CniOptions
  /** The command's stdin goes to the workload; otherwise it reads nothing. */
  interactive?: boolean
  /** The workload's output is a terminal, which is shown on the command's own. */
  terminal?: boolean
  snapshotter: string
  /** Path of a program in place of our notifier. */
  notifier?: string
  /** Undefined: as the root file system asks for. */
  mark?: MarkKind
  /** Tell reading from opening and mapping. */
  recordReads?: boolean
  /** A workload that fails or never gets ready is recorded all the same. */
  allowFailure?: boolean
}

/**
 * When a run is over, unless the workload ends by itself. Ready means that every one of the ready rules has been met.
 * @see docs/record.md, "When a run ends"
 */
export interface StopOptions {
  /** Alone, the length of the run; beside other rules their bound. */
  periodSeconds?: number
  /** Until SIGINT. */
  waitOnSignal?: boolean
  /** Ready rules: a part of a line of output. */
  waitOnLine?: readonly string[]
  /** Ready rules: a pattern that a line of output matches. */
  waitOnRegex?: readonly RegExp[]
  /** Ready rules: addresses that take a connection, in the workload's network. */
  readyTcp?: readonly Endpoint[]
  /** Ready rules: http URLs that answer with a status from 200 to 399, in the workload's network. */
  readyHttp?: readonly URL[]
  /** Ready rules: commands that end with status 0 in the container. */
  readyExec?: readonly (readonly string[])[]
  /** After ready: until the workload has opened no new file for this long. */
  settleSeconds?: number
  /** After ready, before that: what is done to the workload, in this order. */
  drive?: readonly DriveStep[]
  /** Grace between the stop signal and SIGKILL. */
  stopTimeoutSeconds: number
}

/** A TCP endpoint. */
export interface Endpoint {
  /** IPv4, or IPv6 without brackets, or `localhost`; no other name, for the workload's network may know none. */
  address: string
  port: number
}

/** A command in the container, or a request in the workload's network; `url` is http to an address or localhost. */
export type DriveStep =
  | { kind: 'exec'; args: readonly string[] }
  | { kind: 'http'; method: string; url: URL; body?: string }

export interface CniOptions {
  network: CniNetwork
  /** Where plugins are looked for, in this order. */
  pluginDirs: readonly string[]
}
