/**
 * What can be tried of arm64 on another machine: addon and launcher built by a cross compiler, then run by npm's Node for
 * arm64 under an emulator. `bin/later-arm64` brings these.
 *
 * The emulator is one of programs, not of machines: the kernel is this machine's own, so nothing is said of a kernel for
 * arm64. It knows neither fanotify nor namespaces as well as a kernel does, and the root tests stay out.
 */
import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { cacheFolder } from '../bench/sample/sample-image.ts'
import type { MatrixOutcome } from './matrix-report.ts'

/** Compiled here anew; the others' binaries are optional, or run on this machine as they are. */
const PACKAGE_WITH_ADDON = 'zstd-napi'

export interface Arm64Tools {
  /** Starts Node for arm64, under emulation. */
  node: string
  /** The folder of all commands. */
  bin: string
  /** With include/node in it. */
  headers: string
}

/** @returns what is missing, in a sentence, where they are not to be had */
export function arm64Tools(root: string): Arm64Tools | string {
  const folder = join(cacheFolder(), `arm64-${process.versions.node}`)
  const { status, stderr } = spawnSync(join(root, 'bin', 'later-arm64'), [folder, process.versions.node], {
    stdio: ['ignore', 2, 'pipe'],
    encoding: 'utf8',
  })
  process.stderr.write(stderr)
  if (status !== 0) return stderr.trim().split('\n').at(-1) || `bin/later-arm64 ended with status ${status}`
  const bin = join(folder, 'bin')
  return { node: join(bin, 'node'), bin, headers: join(folder, 'node') }
}

/** A copy of the sources and of dist, with binaries for arm64. */
export class Arm64Copy {
  readonly folder = mkdtempSync(join(tmpdir(), 'hotlayer-arm64-'))
  readonly #root: string
  readonly #tools: Arm64Tools

  constructor(root: string, tools: Arm64Tools) {
    this.#root = root
    this.#tools = tools
  }

  /** @returns whether it could be built; stderr says why not */
  build(sources: readonly string[]): boolean {
    chmodSync(this.folder, 0o755)
    for (const file of sources) cpSync(join(this.#root, file), join(this.folder, file))
    cpSync(join(this.#root, 'dist'), join(this.folder, 'dist'), { recursive: true })
    this.#linkModules()
    const addon = ['node_modules', PACKAGE_WITH_ADDON]
    return (
      this.#compile('.', [process.execPath, join('native', 'install.mjs'), '--build']) &&
      this.#compile(join(...addon), ['npm', 'run', '--silent', 'build']) &&
      this.#wrapLauncher()
    )
  }

  /** All but one are those of this machine. */
  #linkModules(): void {
    const from = join(this.#root, 'node_modules')
    const to = join(this.folder, 'node_modules')
    mkdirSync(to)
    for (const name of readdirSync(from))
      if (name !== PACKAGE_WITH_ADDON) symlinkSync(join(from, name), join(to, name))
    const isSource = (path: string) => path !== join(from, PACKAGE_WITH_ADDON, 'build')
    cpSync(join(from, PACKAGE_WITH_ADDON), join(to, PACKAGE_WITH_ADDON), {
      recursive: true,
      filter: isSource,
    })
  }

  #compile(folder: string, [command, ...words]: readonly string[]): boolean {
    const tool = (name: string) => join(this.#tools.bin, `aarch64-linux-gnu-${name}`)
    const { status } = spawnSync(command as string, words, {
      cwd: join(this.folder, folder),
      stdio: ['ignore', 2, 'inherit'],
      env: {
        ...process.env,
        CC: tool('gcc'),
        CXX: tool('g++'),
        AR: tool('ar'),
        npm_config_arch: 'arm64',
        npm_config_nodedir: this.#tools.headers,
      },
    })
    return status === 0
  }

  /** The kernel cannot start it: what is in its place has the emulator do so. */
  #wrapLauncher(): boolean {
    const launcher = join(this.folder, 'native', 'build', 'Release', 'launcher')
    if (!existsSync(launcher)) return false
    renameSync(launcher, `${launcher}.arm64`)
    writeFileSync(launcher, `#!/bin/sh\nexec ${join(this.#tools.bin, 'emulate')} ${launcher}.arm64 "$@"\n`)
    chmodSync(launcher, 0o755)
    return true
  }

  /** A conversion for each line; it has failed where the bytes are others than those that this machine makes. */
  compareConversions(): MatrixOutcome {
    const program = join('dist', 'test', 'conversion-digests.js')
    const folder = join(this.folder, 'images')
    const digests = (node: string, root: string, ...words: string[]) => {
      const { stdout } = spawnSync(node, [join(root, program), ...words, folder], {
        stdio: ['ignore', 'pipe', 'inherit'],
        encoding: 'utf8',
      })
      return new Map(
        stdout
          .split('\n')
          .flatMap((line) => [line.split('\t') as [string, string]])
          .slice(0, -1),
      )
    }
    mkdirSync(folder)
    digests(process.execPath, this.#root, 'make')
    return compare(digests(process.execPath, this.#root), digests(this.#tools.node, this.folder))
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true })
  }
}

/** @param ours by options, the digests that this machine came to; of `theirs` each must be there and the same */
export function compare(
  ours: ReadonlyMap<string, string>,
  theirs: ReadonlyMap<string, string>,
): MatrixOutcome {
  const failed = [...ours].flatMap(([options, digest]) => {
    const other = theirs.get(options)
    if (other === digest) return []
    return [`convert ${options}: ${digest} here, ${other ?? 'nothing'} there`]
  })
  const passed = ours.size - failed.length
  return { passed, failed: ours.size > 0 ? failed : ['the conversions did not end'], skipped: [] }
}
