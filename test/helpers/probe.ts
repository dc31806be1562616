/** Builds and runs probe.c, the workload whose every access is known. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, mkdirSync, readFileSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import type { Readable, Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('../../../', import.meta.url))

/** Path of the static program; built on first use, kept by the digest of its source. */
export function probePath(): string {
  const source = join(ROOT, 'test', 'helpers', 'probe.c')
  const digest = createHash('sha256').update(readFileSync(source)).digest('hex').slice(0, 16)
  const folder = join(ROOT, '.cache', 'probe')
  const path = join(folder, `probe-${digest}`)
  if (!existsSync(path)) {
    mkdirSync(folder, { recursive: true })
    // Test files run side by side: none must see half a program.
    const unfinished = `${path}.${process.pid}`
    execFileSync('gcc', ['-static', '-O1', '-Wall', '-Wextra', '-Werror', '-o', unfinished, source])
    renameSync(unfinished, path)
  }
  return path
}

/** Does `verbs` to the end. @param root done in this root folder, by the probe that lies there as /probe */
export function runProbe(verbs: string[], root?: string): void {
  execFileSync(...command(verbs, root), { stdio: ['ignore', 'ignore', 'inherit'] })
}

function command(verbs: string[], root: string | undefined): [string, string[]] {
  return root === undefined ? [probePath(), verbs] : ['chroot', [root, '/probe', ...verbs]]
}

/** A probe that is told when to go on. */
export class RunningProbe {
  readonly child: ChildProcess
  readonly #lines: AsyncIterator<string>
  readonly #exit: Promise<unknown[]>

  constructor(verbs: string[], root?: string) {
    this.child = spawn(...command(verbs, root), { stdio: ['pipe', 'pipe', 'inherit'] })
    this.#lines = linesOf(this.child.stdout as Readable)
    this.#exit = once(this.child, 'exit')
  }

  get pid(): number {
    return this.child.pid as number
  }

  /** The next line that the probe writes: `ready`, or `done` of the verb serve. */
  async line(): Promise<string | undefined> {
    return (await this.#lines.next()).value
  }

  say(line: string): void {
    ;(this.child.stdin as Writable).write(`${line}\n`)
  }

  /** Ends its input and waits for it. @returns its exit status */
  async end(): Promise<number | null> {
    this.child.stdin?.end()
    const [code] = await this.#exit
    return code as number | null
  }
}

async function* linesOf(stream: Readable): AsyncGenerator<string> {
  let rest = ''
  for await (const text of stream.setEncoding('utf8')) {
    const lines = (rest + text).split('\n')
    rest = lines.pop() as string
    yield* lines
  }
}
