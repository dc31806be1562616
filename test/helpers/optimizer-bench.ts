/** The program as users run it, against a private containerd: images in, a command line, images out. For root tests. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { ImageConfig, Manifest } from '../../optimizer/image/manifest.ts'
import type { ConversionResult } from '../../optimizer/result.ts'
import { ContainerdContentStore, ContainerdImageStore } from '../../optimizer/store/containerd.ts'
import type { ContentStore, ImageStore } from '../../optimizer/store/store.ts'
import { openContainerd, type TestContainerd } from './containerd.ts'
import { program } from './in-process.ts'
import { leftovers } from './leftovers.ts'

const PROGRAM = fileURLToPath(new URL('../../../bin/optimizer', import.meta.url))

/** What `clean` removes of runs without containerd is of the whole machine, those of test files beside this one too. */
const CLEAN_LOCK = join(tmpdir(), 'hotlayer-test-clean.lock')

export interface Finished {
  code: number | null
  stdout: string
  stderr: string
}

export class OptimizerBench {
  readonly containerd: TestContainerd
  /** Where the program puts its temporary files; empty when nothing is left behind. */
  readonly temporaryFolder: string
  #cleansAlone = false

  private constructor(containerd: TestContainerd, temporaryFolder: string) {
    this.containerd = containerd
    this.temporaryFolder = temporaryFolder
  }

  static async open(): Promise<OptimizerBench> {
    return new OptimizerBench(await openContainerd(), mkdtempSync(join(tmpdir(), 'optimizer-bench-')))
  }

  async close(): Promise<void> {
    await this.containerd.stop()
    rmSync(this.temporaryFolder, { recursive: true, force: true })
  }

  /** Stores to read from. */
  get stores(): { content: ContentStore; images: ImageStore } {
    const { client } = this.containerd
    return { content: new ContainerdContentStore(client, 'test'), images: new ContainerdImageStore(client) }
  }

  /** Stores to write to: whatever `write` makes is held until an image holds it. */
  async withStores<T>(
    write: (stores: { content: ContentStore; images: ImageStore }) => Promise<T>,
  ): Promise<T> {
    const { client } = this.containerd
    await client.leases.create('test-images', {}, new Date(Date.now() + 3600_000))
    try {
      const leased = client.underLease('test-images')
      return await write({
        content: new ContainerdContentStore(leased, 'test'),
        images: new ContainerdImageStore(leased),
      })
    } finally {
      await client.leases.delete('test-images')
    }
  }

  /** @param wrapper a command that runs the command behind it, as `setpriv --nnp` does */
  spawn(
    args: string[],
    environment: Record<string, string> = {},
    wrapper: string[] = [],
    stdin: 'ignore' | 'pipe' = 'ignore',
  ): ChildProcess {
    const [command, ...words] = [...wrapper, process.execPath, PROGRAM, ...args] as [string, ...string[]]
    return spawn(command, words, {
      env: { ...process.env, ...this.#environment, ...environment },
      stdio: [stdin, 'pipe', 'pipe'],
    })
  }

  /** What a process of the program is told of this bench. */
  get #environment(): Record<string, string> {
    const { address, namespace } = this.containerd.daemon
    return {
      CONTAINERD_ADDRESS: address,
      CONTAINERD_NAMESPACE: namespace,
      TMPDIR: this.temporaryFolder,
    }
  }

  async run(
    args: string[],
    environment: Record<string, string> = {},
    wrapper: string[] = [],
  ): Promise<Finished> {
    const turn = args[0] === 'clean' && !this.#cleansAlone ? ['flock', CLEAN_LOCK] : []
    return await finished(this.spawn(args, environment, [...turn, ...wrapper]))
  }

  /** Nobody else cleans meanwhile, nor finds what `body` leaves to be cleaned. */
  async cleaningAlone(body: () => Promise<void>): Promise<void> {
    const holder = spawn('flock', [CLEAN_LOCK, 'sh', '-c', 'echo held; read end'], {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    await once(holder.stdout, 'data')
    this.#cleansAlone = true
    try {
      await body()
    } finally {
      this.#cleansAlone = false
      holder.stdin.end()
      await once(holder, 'exit')
    }
  }

  /** The same in the test's own process, one at a time: without what a start costs. */
  async runHere(args: string[], environment: Record<string, string> = {}): Promise<Finished> {
    return await program(args, { ...this.#environment, ...environment })
  }

  /** Runs `optimize --json`, which must succeed. */
  async optimize(source: string, target: string, options: string[]): Promise<ConversionResult> {
    const { code, stdout, stderr } = await this.run(['optimize', source, target, '--json', ...options])
    if (code !== 0) throw new Error(`optimizer ended with ${code}:\n${stderr}`)
    return JSON.parse(stdout)
  }

  /** Manifest and config of an image whose name points at a manifest. */
  async documents(name: string): Promise<{ manifest: Manifest; config: ImageConfig; indexed: boolean }> {
    const { target } = await this.stores.images.get(name)
    let manifest = JSON.parse((await this.blob(target.digest)).toString())
    const indexed = manifest.manifests !== undefined
    if (indexed) manifest = JSON.parse((await this.blob(manifest.manifests[0].digest)).toString())
    return { manifest, config: JSON.parse((await this.blob(manifest.config.digest)).toString()), indexed }
  }

  async blob(digest: string): Promise<Buffer> {
    const pieces: Buffer[] = []
    for await (const piece of this.stores.content.read(digest as `sha256:${string}`)) pieces.push(piece)
    return Buffer.concat(pieces)
  }

  /** What runs have left, temporary files included. */
  async leftovers(): Promise<string[]> {
    const files = readdirSync(this.temporaryFolder).map((name) => `file ${name}`)
    return [...(await leftovers(this.containerd.client)), ...files]
  }

  /** Of the one workload that runs. */
  taskPid(): string {
    const [pid, ...others] = this.tool('ctr', ['task', 'ls']).match(/ \d+ /g) ?? []
    if (pid === undefined || others.length > 0) throw new Error('there is not one task')
    return pid.trim()
  }

  /** One of containerd's own tools (`ctr`, `ctr-remote`) on this containerd; its stdout. */
  tool(command: string, args: string[]): string {
    const { address, namespace } = this.containerd.daemon
    const { status, stdout, stderr, error } = spawnSync(
      command,
      ['--address', address, '--namespace', namespace, ...args],
      {
        encoding: 'utf8',
        maxBuffer: 256 * 1024 * 1024,
      },
    )
    if (error) throw error
    if (status !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${status}: ${stderr}`)
    return stdout
  }
}

export async function finished(child: ChildProcess): Promise<Finished> {
  let stdout = ''
  let stderr = ''
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
  })
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  const [code] = await once(child, 'close')
  return { code: code as number | null, stdout, stderr }
}

/** Resolves when the child's stderr has said this. Rejects when it ends before. */
export function says(child: ChildProcess, pattern: RegExp): Promise<void> {
  return new Promise((resolve, reject) => {
    let text = ''
    // Nothing but a listener: whoever ends an iteration closes the pipe, and the program would have no stderr.
    child.stderr?.setEncoding('utf8').on('data', (piece: string) => {
      text += piece
      if (pattern.test(text)) resolve()
    })
    child.once('close', () => reject(new Error(`the program ended before it said ${pattern}:\n${text}`)))
  })
}
