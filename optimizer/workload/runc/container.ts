/** One container of runc, crun or another program with their command line. */
import { closeSync, constants, mkdirSync, openSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { specJson } from '../../containerd/spec-json.ts'
import { creationFailure } from '../creation-failure.ts'
import type { Container, ContainerRequest, ExecProcess, StreamPaths, TaskEnd } from '../engine.ts'
import type { Run } from '../run.ts'
import type { TerminalSize } from '../terminal/terminal-mode.ts'
import { removeWorkloadCgroup } from '../workload-cgroup.ts'
import type { ContainerParent, ParentRequest } from './container-parent.ts'
import { type Runtime, RuntimeError, RuntimeStuckError } from './runtime.ts'

/** In the run folder: the spec, as runtimes want it. */
const BUNDLE_FOLDER = 'bundle'
/** In the run folder. A socket's path is at most 107 bytes long. */
const CONSOLE_SOCKET = 'console'

export class RuncContainer implements Container {
  readonly #run: Run
  readonly #runtime: Runtime
  readonly #parent: ContainerParent
  readonly #remove: () => Promise<void>

  private constructor(run: Run, runtime: Runtime, parent: ContainerParent, remove: () => Promise<void>) {
    this.#run = run
    this.#runtime = runtime
    this.#parent = parent
    this.#remove = remove
  }

  static async create(
    run: Run,
    runtime: Runtime,
    { spec, streams, container }: ContainerRequest,
  ): Promise<RuncContainer> {
    const { id, folder, undo } = run
    const bundle = join(folder, BUNDLE_FOLDER)
    mkdirSync(bundle, { mode: 0o700 })
    const annotations = container?.labels === undefined ? {} : { annotations: container.labels }
    writeFileSync(join(bundle, 'config.json'), specJson({ ...spec, ...annotations }), { mode: 0o600 })
    let parent: ContainerParent | undefined
    const remove = undo.push(`the container ${id}`, async () => {
      await parent?.end()
      await removeContainer(runtime, id, (message) => run.log.warn(message))
    })
    const consoleSocket = streams.terminal ? join(folder, CONSOLE_SOCKET) : null
    try {
      parent = await withStreams(streams, (stdio) =>
        runtime.leave(['create', '--bundle', bundle, id], { consoleSocket, stdio }),
      )
    } catch (error) {
      throw error instanceof RuntimeError ? creationFailure(error.message, error) : error
    }
    return new RuncContainer(run, runtime, parent, remove)
  }

  get pid(): number {
    return this.#parent.pid
  }

  async wait(): Promise<TaskEnd> {
    return { exitStatus: await this.#parent.ended }
  }

  async start(): Promise<void> {
    try {
      await this.#runtime.run(['start', this.#run.id])
    } catch (error) {
      throw error instanceof RuntimeError ? creationFailure(error.message, error) : error
    }
  }

  /** All of its processes end with the first, whose pid namespace it is. */
  async kill(signalNumber: number): Promise<void> {
    this.#parent.signal(signalNumber)
  }

  /** Nobody but the FIFO's writer holds it open. */
  async closeStdin(): Promise<void> {}

  async resizeTerminal(size: TerminalSize): Promise<void> {
    this.#parent.resize(size)
  }

  async exec(
    name: string,
    process: unknown,
    output?: { stdout: string; stderr: string },
  ): Promise<ExecProcess> {
    const file = join(this.#run.folder, `${name}.json`)
    writeFileSync(file, specJson(process), { mode: 0o600 })
    const streams = { stdin: '', terminal: false, stdout: output?.stdout ?? '', stderr: output?.stderr ?? '' }
    const parent = await withStreams(streams, (stdio) =>
      this.#runtime.leave(['exec', '--detach', '--process', file, this.#run.id], {
        consoleSocket: null,
        stdio,
      }),
    )
    return {
      pid: parent.pid,
      wait: async () => {
        const status = await parent.ended
        if (status !== null) return status
        throw new RuntimeError('the end of the command could not be learned')
      },
      end: () => parent.end(),
    }
  }

  async remove(): Promise<void> {
    await this.#remove()
  }
}

/**
 * Whatever is left of a container, running or not.
 * @param warn told where the runtime had to be done without
 * @returns false when there was nothing
 * @throws {RuntimeError}
 */
export async function removeContainer(
  runtime: Runtime,
  id: string,
  warn: (message: string) => void = () => {},
): Promise<boolean> {
  const words = ['delete', '--force', id]
  let removed = true
  try {
    await runtime.run(words)
  } catch (error) {
    if (error instanceof RuntimeStuckError) return await removeWithoutRuntime(runtime, id, error, warn)
    if (!(error instanceof RuntimeError && /does not exist|no such file/i.test(error.message))) throw error
    removed = false
  }
  return (await removeWorkloadCgroup(id)) || removed
}

/** Its processes end with their control group; what the runtime has noted goes with the run folder. */
async function removeWithoutRuntime(
  runtime: Runtime,
  id: string,
  stuck: RuntimeStuckError,
  warn: (message: string) => void,
): Promise<true> {
  try {
    await removeWorkloadCgroup(id)
  } catch (cause) {
    const byHand = runtime.commandLine(['delete', '--force', id])
    throw new RuntimeError(
      `${stuck.message}, and processes of the container ${id} cannot be killed: they wait for a disk or a device. ` +
        `Container, control group, mounts and folders are left; once they have ended, "optimizer clean" removes them (the container alone: ${byHand})`,
      { cause },
    )
  }
  warn(`${stuck.message}: the container was removed without it`)
  return true
}

/** What nobody reads is no pipe that could not be written to. */
async function withStreams<T>(
  { stdin, stdout, stderr }: StreamPaths,
  use: (stdio: ParentRequest['stdio']) => Promise<T>,
): Promise<T> {
  const opened: number[] = []
  const open = (path: string, flags: number) => {
    if (path === '') return 'ignore'
    // The other end is open: this does not wait.
    opened.push(openSync(path, flags))
    return opened.at(-1) as number
  }
  try {
    return await use([
      open(stdin, constants.O_RDONLY),
      open(stdout, constants.O_WRONLY),
      open(stderr, constants.O_WRONLY),
    ])
  } finally {
    for (const descriptor of opened) closeSync(descriptor)
  }
}
