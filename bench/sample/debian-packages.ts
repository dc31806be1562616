/** Debian packages of the machine's own release, as files: resolved by apt as if nothing were installed. */
import { spawn } from 'node:child_process'
import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { PreconditionError, systemCodeOf } from '../../shared/errors.ts'
import type { Log } from '../../shared/log.ts'

/**
 * Downloads packages with all they depend on. Nothing is installed, nothing of the machine's apt state is written
 * but its package lists, and those only where they turn out to be missing or stale.
 * @param sets each set stands on the ones before it, as a layer does
 * @param folder where the archives go
 * @returns for each set the paths of the archives that it adds to those before it
 * @throws {PreconditionError} APT_MISSING, APT_FAILED
 */
export async function downloadPackages(
  sets: string[][],
  folder: string,
  context: { log: Log; signal: AbortSignal },
): Promise<string[][]> {
  const apt = new Apt(folder, context)
  await apt.prepare()
  // A smaller set may be resolved with another choice among alternatives: the whole decides what there is.
  const left = new Set(await apt.closureOf(sets.flat()))
  const added: string[][] = []
  for (let end = 1; end <= sets.length; end++) {
    const closure = await apt.closureOf(sets.slice(0, end).flat())
    added.push(closure.filter((name) => left.delete(name)))
  }
  const archives = await apt.download(added.flat())
  return added.map((names) => names.map((name) => archives.get(name) ?? ''))
}

class Apt {
  readonly #folder: string
  readonly #signal: AbortSignal
  readonly #log: Log

  constructor(folder: string, context: { log: Log; signal: AbortSignal }) {
    this.#folder = folder
    this.#signal = context.signal
    this.#log = context.log
  }

  async prepare(): Promise<void> {
    await mkdir(this.#folder, { recursive: true })
    await writeFile(this.#status, '')
  }

  /** An empty list of installed packages: apt then resolves everything down to libc. */
  get #status(): string {
    return join(this.#folder, 'status')
  }

  /** Names of the packages that installing these on an empty system would take. */
  async closureOf(packages: string[]): Promise<string[]> {
    const settings = ['-o', `Dir::State::status=${this.#status}`, '-o', 'Debug::NoLocking=1']
    // Lines as: Inst bash (5.2.15-2+b7 Debian:12/stable [amd64])
    const output = await this.run([
      ...settings,
      '--no-install-recommends',
      '--simulate',
      'install',
      ...packages,
    ])
    return [...output.matchAll(/^Inst (\S+)/gm)].map((match) => match[1] ?? '')
  }

  /** Archives by the names of their packages. */
  async download(packages: string[]): Promise<Map<string, string>> {
    await this.run(['download', ...packages])
    const archives = (await readdir(this.#folder)).filter((name) => name.endsWith('.deb'))
    return new Map(archives.map((archive) => [archive.split('_')[0] ?? '', join(this.#folder, archive)]))
  }

  /** Runs apt-get; where that fails, once more with fresh package lists. */
  async run(args: string[]): Promise<string> {
    try {
      return await this.#once(args)
    } catch (error) {
      if (!(error instanceof PreconditionError) || error.code !== 'APT_FAILED') throw error
      this.#log.info('apt could not do it with the package lists it has: running apt-get update')
      // A third party's repository may be out of reach; the second attempt decides.
      await this.#once(['update']).catch(() => {})
      return await this.#once(args)
    }
  }

  async #once(args: string[]): Promise<string> {
    const options = ['-y', '-o', 'DPkg::Lock::Timeout=300', '-o', 'APT::Sandbox::User=root']
    const child = spawn('apt-get', [...options, ...args], {
      cwd: this.#folder,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, LC_ALL: 'C', DEBIAN_FRONTEND: 'noninteractive' },
      signal: this.#signal,
    })
    const failed = new Promise<never>((_, reject) => child.once('error', reject))
    const ended = new Promise<number | null>((resolve) => child.once('close', resolve))
    try {
      const [output, errors, status] = await Promise.race([
        Promise.all([text(child.stdout), text(child.stderr), ended]),
        failed,
      ])
      if (status === 0) return output
      const reason = errors.trim().split('\n').slice(-3).join('\n')
      throw new PreconditionError(
        'APT_FAILED',
        `apt-get ${args.at(-1)} failed: connect to Debian's packages\n${reason}`,
      )
    } catch (cause) {
      if (systemCodeOf(cause) !== 'ENOENT') throw cause
      const message = 'the sample image is made of Debian packages, and this machine has no apt-get'
      throw new PreconditionError('APT_MISSING', message, { cause })
    }
  }
}
