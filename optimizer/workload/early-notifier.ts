/**
 * The notifier, started before there is anything to watch: what its start takes passes beside the preparations. Its
 * mount namespace is older than the root file system then, which is put into it afterwards.
 */
import { copyMountInto } from '../../native/mounts.ts'
import { NativeError } from '../../native/system-error.ts'
import { NotifierProcess, type NotifierSpawnOptions } from './notifier-process.ts'
import type { WorkloadOptions } from './options.ts'
import type { Run } from './run.ts'

export class EarlyNotifier {
  readonly #run: Run
  readonly #options: NotifierSpawnOptions
  readonly #abort = new AbortController()
  readonly #spawned: Promise<NotifierProcess>
  readonly #end: () => Promise<void>

  private constructor(run: Run, options: NotifierSpawnOptions & { signal: AbortSignal }) {
    this.#run = run
    this.#options = options
    const signal = AbortSignal.any([options.signal, this.#abort.signal])
    this.#spawned = NotifierProcess.spawn({ ...options, signal })
    this.#spawned.catch(() => {})
    this.#end = run.undo.push('the notifier', () => this.#kill())
  }

  /**
   * To be called as soon as it is sure that something will run. Returns at once; what goes wrong is told by
   * {@link EarlyNotifier.watching}.
   * @param signal aborting it ends the notifier
   */
  static start(
    run: Run,
    { notifier }: Pick<WorkloadOptions, 'notifier'>,
    signal: AbortSignal,
  ): EarlyNotifier {
    return new EarlyNotifier(run, { log: run.log, signal, command: notifier })
  }

  /**
   * The notifier, in whose mount namespace the root file system is. It ends before that is unmounted.
   * @param rootPath where the root file system is mounted on the host
   * @throws {NotifierError | MessageError} when it could not be started
   * @throws {NativeError} MOUNT_FAILED
   */
  async watching(rootPath: string): Promise<NotifierProcess> {
    const askedAt = performance.now()
    const notifier = await this.#spawned
    this.#run.log.debug(`waited ${(performance.now() - askedAt).toFixed(1)} ms for the notifier`)
    this.#run.undo.push('the notifier', () => notifier.kill())
    try {
      copyMountInto(notifier.namespacePath, rootPath)
      return notifier
    } catch (error) {
      if (!(error instanceof NativeError && ['ENOSYS', 'EPERM'].includes(error.systemCode ?? ''))) throw error
      this.#run.log.debug(`${error.message}: starting the notifier anew, now that the root is mounted`)
      await this.#end()
      return await this.#startAnew()
    }
  }

  /** A namespace that is cloned now has everything. */
  async #startAnew(): Promise<NotifierProcess> {
    const notifier = await NotifierProcess.spawn(this.#options)
    this.#run.undo.push('the notifier', () => notifier.kill())
    return notifier
  }

  async #kill(): Promise<void> {
    this.#abort.abort()
    await this.#spawned.then(
      (notifier) => notifier.kill(),
      () => {},
    )
  }
}
