/**
 * What runs a container: containerd, or a runtime that this program calls itself. Everything else of a run is the same
 * for both: how the root is mounted and watched, the runtime spec, when the run ends, what is undone.
 */
import type { StreamPaths } from '../containerd/tasks.ts'
import type { ImageConfig, Manifest } from '../image/manifest.ts'
import type { ContainerOptions } from './spec/container-options.ts'
import type { RuntimeSpec } from './spec/runtime-spec.ts'
import type { TerminalSize } from './terminal/terminal-mode.ts'

export type { StreamPaths }

/** As `--runner` names them. */
export type EngineName = 'containerd' | 'runc'

/** Of one run: whatever it makes is undone with that run, but for unpacked layers. */
export interface Engine {
  readonly name: EngineName
  /** Where layers are unpacked, for a person. */
  readonly place: string
  /**
   * Unpacks the layers that are not unpacked yet. They stay: the next run of the image finds them.
   * @throws {PreconditionError} LAYERS_MISMATCH, LAYER_UNPACK_FAILED, DIFF_ID_MISMATCH
   */
  unpack(image: ImageToUnpack, signal: AbortSignal): Promise<UnpackedImage>
  /**
   * Everything up to the workload's first instruction.
   * @throws {WorkloadError} COMMAND_NOT_FOUND, COMMAND_NOT_EXECUTABLE, TASK_FAILED
   */
  create(request: ContainerRequest): Promise<Container>
}

export interface ImageToUnpack {
  manifest: Manifest
  config: ImageConfig
}

export interface UnpackedImage {
  /** A writable layer on top of the image's, for this run alone, as mounts that are still to be made. */
  prepareRoot(): Promise<readonly RootMount[]>
}

/** A mount in the form of mount(8); `target` is below the root. */
export interface RootMount {
  type: string
  source: string
  target: string
  options: readonly string[]
}

export interface ContainerRequest {
  imageName: string
  spec: RuntimeSpec
  container?: Pick<ContainerOptions, 'labels' | 'runtime'> | undefined
  /** FIFOs whose other ends are open. */
  streams: StreamPaths
}

/** How a container's first process ended by itself; null when the exit status could not be learned. */
export interface TaskEnd {
  /** As a shell shows it (128 + signal). */
  exitStatus: number | null
}

export interface Container {
  /** Its first process, in our pid namespace. */
  readonly pid: number
  /** Its end; to be asked for before the start. */
  wait(): Promise<TaskEnd>
  start(): Promise<void>
  /** @param to its first process, or every one. Nothing happens when it has ended. */
  kill(signalNumber: number, to: 'init' | 'all'): Promise<void>
  /** The end of its input; whoever writes to the FIFO closes it first. */
  closeStdin(): Promise<void>
  resizeTerminal(size: TerminalSize): Promise<void>
  /**
   * Runs another process in it, without input.
   * @param name among the container's processes
   * @param process of an OCI runtime spec
   * @param output FIFOs that somebody has open for reading; without them it is discarded
   * @throws {CodedError} when the runtime cannot run it
   */
  exec(name: string, process: unknown, output?: { stdout: string; stderr: string }): Promise<ExecProcess>
  /** It is gone then, with everything that ran in it. */
  remove(): Promise<void>
}

export interface ExecProcess {
  /** In our pid namespace. */
  readonly pid: number
  /** @returns its exit status, 128 + signal when a signal ended it */
  wait(): Promise<number>
  /** Kills it, if it still runs, and forgets it. */
  end(): Promise<void>
}

/** The container's network namespace, the host's where it has none of its own. */
export function networkPathOf({ pid }: Container): string {
  return `/proc/${pid}/ns/net`
}
