/** Debian packages of the machine's own release, as files: resolved by apt as if nothing were installed. */
import { spawn } from 'node:child_process'
import { mkdir, writeFile } from 'node:fs/promises'
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
  const apt = new Apt(folder, context.signal)
  await apt.prepare()
  try {
    await apt.install(['--download-only'], sets.flat())
  } catch (error) {
    if (!(error instanceof PreconditionError) || error.code !== 'APT_FAILED') throw error
    context.log.info('apt could not do it with the package lists it has: running apt-get update')
    // A third party's repository may be out of reach; the second attempt decides.
    await apt.run(['update']).catch(() => {})
    await apt.install(['--download-only'], sets.flat())
  }
  const archives: string[][] = []
  // A smaller set may be resolved with another choice among alternatives: the whole decides what there is.
  const left = new Set(await apt.archivesOf(sets.flat()))
  for (let end = 1; end <= sets.length; end++) {
    const closure = await apt.archivesOf(sets.slice(0, end).flat())
    const added = closure.filter((name) => left.delete(name))
    archives.push(added.map((name) => join(folder, name)))
  }
  return archives
}

class Apt {
  readonly #folder: string
  readonly #signal: AbortSignal

  constructor(folder: string, signal: AbortSignal) {
    this.#folder = folder
    this.#signal = signal
  }

  async prepare(): Promise<void> {
    await mkdir(join(this.#folder, 'partial'), { recursive: true })
    await writeFile(this.#status, '')
  }

  /** An empty list of installed packages: apt then resolves everything down to libc. */
  get #status(): string {
    return join(this.#folder, 'status')
  }

  install(options: string[], packages: string[]): Promise<string> {
    const privateFiles = [
      `Dir::State::status=${this.#status}`,
      `Dir::Cache::archives=${this.#folder}`,
      'Debug::NoLocking=1',
    ]
    const settings = privateFiles.flatMap((setting) => ['-o', setting])
    return this.run([...settings, '--no-install-recommends', ...options, 'install', ...packages])
  }

  /** File names of the archives that installing these on an empty system would take. */
  async archivesOf(packages: string[]): Promise<string[]> {
    // Lines as: 'http://…/pool/…/bash_5.2.15-2+b7_amd64.deb' bash_5.2.15-2+b7_amd64.deb 1490468 SHA256:…
    // In a folder of its own nothing is there yet, so that every archive is listed.
    const listing = new Apt(join(this.#folder, 'listing'), this.#signal)
    await listing.prepare()
    const output = await listing.install(['--print-uris'], packages)
    return [...output.matchAll(/^'[^']+' (\S+\.deb) \d+/gm)].map((match) => match[1] ?? '')
  }

  async run(args: string[]): Promise<string> {
    const options = ['-y', '-o', 'DPkg::Lock::Timeout=300', '-o', 'APT::Sandbox::User=root']
    const child = spawn('apt-get', [...options, ...args], {
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
