/** One container and its task in containerd: created, started, removed. */

import { messageOf } from '../../../shared/errors.ts'
import { ContainerdError, detailsOf } from '../../containerd/errors.ts'
import type { Tasks } from '../../containerd/tasks.ts'
import { creationFailure } from '../creation-failure.ts'
import type { Container, ContainerRequest, ExecProcess, TaskEnd } from '../engine.ts'
import type { ContainerdRun } from '../run.ts'
import type { TerminalSize } from '../terminal/terminal-mode.ts'
import { removeWorkloadCgroup } from '../workload-cgroup.ts'
import { startTask, waitForTask } from './outage.ts'
import { endTask } from './teardown.ts'

export class ContainerdContainer implements Container {
  readonly pid: number
  readonly #run: ContainerdRun
  readonly #remove: () => Promise<void>

  private constructor(run: ContainerdRun, pid: number, remove: () => Promise<void>) {
    this.#run = run
    this.pid = pid
    this.#remove = remove
  }

  /** @param root the snapshot that its root is mounted from */
  static async create(
    run: ContainerdRun,
    root: { snapshotter: string; snapshotKey: string },
    { imageName, spec, streams, container }: ContainerRequest,
  ): Promise<ContainerdContainer> {
    const { id, containerd, undo } = run
    const removeContainer = undo.push(`the container ${id}`, () => containerd.containers.delete(id))
    await containerd.containers.create({
      id,
      image: imageName,
      labels: { ...container?.labels, ...run.labels },
      ...root,
      spec,
      runtime: container?.runtime,
    })
    // A container deleted before its task would leave the task behind, out of reach.
    const removeTask = undo.push(`the task ${id}`, () =>
      endTask(containerd.tasks, id).catch(async (error: unknown) => {
        // Nobody else is left to end it; `clean` removes the rest once containerd is back.
        await removeGroup(run)
        throw error
      }),
    )
    try {
      const { pid } = await containerd.tasks.create(id, streams)
      return new ContainerdContainer(run, pid, () => removeTask().then(removeContainer))
    } catch (error) {
      if (!(error instanceof ContainerdError)) throw error
      // crun leaves the group where it fails after having made it.
      if (error.code === 'CONTAINERD_ERROR') await removeGroup(run)
      throw creationFailure(detailsOf(error), error)
    }
  }

  get #tasks(): Tasks {
    return this.#run.containerd.tasks
  }

  wait(): Promise<TaskEnd> {
    return waitForTask(this.#tasks, this.#run.id, this.#run.log)
  }

  async start(): Promise<void> {
    await startTask(this.#tasks, this.#run.id, this.#run.log)
  }

  async kill(signalNumber: number, to: 'init' | 'all'): Promise<void> {
    await this.#tasks.kill(this.#run.id, signalNumber, to)
  }

  async closeStdin(): Promise<void> {
    await this.#tasks.closeStdin(this.#run.id)
  }

  async resizeTerminal(size: TerminalSize): Promise<void> {
    await this.#tasks.resizeTerminal(this.#run.id, size)
  }

  async exec(
    name: string,
    process: unknown,
    output?: { stdout: string; stderr: string },
  ): Promise<ExecProcess> {
    const tasks = this.#tasks
    const { id } = this.#run
    const { pid } = await tasks.exec(id, name, process, output)
    return {
      pid,
      wait: () => tasks.wait(id, { execId: name }),
      end: async () => void (await tasks.endExec(id, name)),
    }
  }

  async remove(): Promise<void> {
    await this.#remove()
  }
}

/** What is left of the workload in its control group, and the group. */
async function removeGroup({ id, log }: ContainerdRun): Promise<void> {
  try {
    await removeWorkloadCgroup(id)
  } catch (error) {
    log.warn(`could not remove the control group ${id}: ${messageOf(error)}`)
  }
}
