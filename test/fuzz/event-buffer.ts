/** The C++ parser of kernel events under libFuzzer with address and undefined behaviour sanitizers. */
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { endianness, tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const EVENT_BUFFER = 'event-buffer'

const SOURCE = fileURLToPath(new URL('../../../test/fuzz/event-buffer.cc', import.meta.url))
const METADATA_BYTES = 24
const CHECKS = [
  '-Wall',
  '-Wextra',
  '-Werror',
  '-fsanitize=fuzzer,address,undefined',
  '-fno-sanitize-recover=all',
]

export interface EventBufferOrder {
  seconds: number
  seed: number
  /** A single input instead. */
  input: string | undefined
  /** Where inputs go on which something was found. */
  folder: string
}

/** Why this cannot run here, or false. With CI set it is always false: there it must. */
export function skipWithoutClang(): string | false {
  return process.env.CI || clang() !== null ? false : 'needs clang++ on PATH: run bin/setup --test'
}

function clang(): string | null {
  for (const folder of (process.env.PATH ?? '').split(delimiter)) {
    try {
      return realpathSync(join(folder, 'clang++'))
    } catch {
      // The next folder may have it.
    }
  }
  return null
}

/** @returns whether nothing was found */
export function fuzzEventBuffer(order: EventBufferOrder): boolean {
  const skip = skipWithoutClang()
  if (skip) {
    console.log(`${EVENT_BUFFER}: skipped: ${skip}`)
    return true
  }
  const folder = mkdtempSync(join(tmpdir(), 'optimizer-fuzz-'))
  try {
    const program = join(folder, 'event-buffer')
    build(clang() ?? 'clang++', program)
    mkdirSync(order.folder, { recursive: true })
    const { status, output } = run(program, folder, order)
    const runs = /Done (\d+) runs/.exec(output)?.[1]
    const said = status === 0 ? `nothing found in ${runs ?? 1} inputs` : output
    console.log(`${EVENT_BUFFER}: seed ${order.seed}: ${said}`)
    return status === 0
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** An unpacked clang finds its own libraries beside it. */
function build(compiler: string, program: string): void {
  const libraries = join(dirname(compiler), '..', '..')
  const folders = [join(dirname(compiler), '..', 'lib'), ...multiarch(libraries)]
  execFileSync(compiler, ['-std=c++17', '-g', '-O1', ...CHECKS, '-o', program, SOURCE], {
    env: { ...process.env, LD_LIBRARY_PATH: folders.join(':') },
    stdio: ['ignore', 'ignore', 'inherit'],
  })
}

function multiarch(libraries: string): string[] {
  return readdirSync(libraries)
    .filter((name) => name.endsWith('-linux-gnu'))
    .map((name) => join(libraries, name))
}

function run(
  program: string,
  folder: string,
  order: EventBufferOrder,
): { status: number | null; output: string } {
  const corpus = join(folder, 'corpus')
  mkdirSync(corpus)
  for (const [index, bytes] of seeds().entries()) writeFileSync(join(corpus, String(index)), bytes)
  const limits = ['-max_len=4096', '-rss_limit_mb=512', '-timeout=10', `-artifact_prefix=${order.folder}/`]
  const what =
    order.input === undefined
      ? [`-seed=${Math.max(1, order.seed)}`, `-max_total_time=${Math.ceil(order.seconds)}`, corpus]
      : [order.input]
  const { status, stderr } = spawnSync(program, [...limits, ...what], {
    encoding: 'utf8',
    maxBuffer: 64 * 1024 ** 2,
  })
  return { status, output: stderr }
}

/** Buffers as the kernel fills them: events, one with a record behind it, an overflow. @see fanotify(7) */
function seeds(): Buffer[] {
  const little = endianness() === 'LE'
  const event = (eventBytes: number, mask: number, fd: number) => {
    const bytes = Buffer.alloc(eventBytes)
    const view = new DataView(bytes.buffer, bytes.byteOffset)
    view.setUint32(0, eventBytes, little)
    view.setUint8(4, 3)
    view.setUint16(6, METADATA_BYTES, little)
    view.setBigUint64(8, BigInt(mask), little)
    view.setInt32(16, fd, little)
    view.setInt32(20, 77, little)
    return bytes
  }
  return [
    Buffer.concat([event(24, 0x20, 5), event(24, 0x1020, 6)]),
    Buffer.concat([event(40, 0x20, 7), event(24, 0x4000, -1)]),
    event(24, 0x20, -24),
  ]
}
