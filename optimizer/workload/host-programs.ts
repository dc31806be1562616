/** Programs of this machine that a container is run by, or that run in it. */
import { accessSync, closeSync, constants, openSync, readSync, statSync } from 'node:fs'
import { basename, delimiter, isAbsolute, join, resolve } from 'node:path'
import { PreconditionError } from '../../shared/errors.ts'
import { RUNC_SHIM, type RuntimeChoice } from '../containerd/runtime-choice.ts'

/** Where programs are besides PATH, which a service or sudo may have shortened. */
const FOLDERS = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin']
/** Where packages put an init for containers. */
const INIT_FOLDERS = [
  '/usr/libexec/docker',
  '/usr/libexec/podman',
  '/usr/lib/podman',
  '/usr/libexec/catatonit',
]
const INIT_NAMES = ['docker-init', 'tini-static', 'catatonit', 'tini']
const SHIM_NAME = /^io\.containerd(?:\.[a-z0-9_-]+)+\.v\d+$/i

/**
 * @param text `runc`, `crun` or another program with runc's command line, by name or path; a shim by its name
 *   (`io.containerd.NAME.v2`) or path
 * @throws {PreconditionError} RUNTIME_MISSING
 */
export function runtimeChoice(text: string): RuntimeChoice {
  if (SHIM_NAME.test(text)) return { shim: text }
  if (text === 'runc') return { shim: RUNC_SHIM }
  const program = text.includes('/') ? executable(resolve(text)) : findProgram(text, [])
  if (program === undefined)
    throw new PreconditionError(
      'RUNTIME_MISSING',
      `--runtime: there is no program ${text} on this machine: install it, or name another one or a shim (io.containerd.NAME.v2)`,
    )
  return basename(program).startsWith('containerd-shim-') ? { shim: program } : { shim: RUNC_SHIM, program }
}

/** In the order of trial. */
const RUNTIMES = ['runc', 'crun']

/** Without containerd there is no shim but our own. @throws {PreconditionError} RUNTIME_UNSUITABLE */
export function requireOwnRuntime(runtime: RuntimeChoice | undefined): void {
  if (runtime === undefined || runtime.shim === RUNC_SHIM) return
  throw new PreconditionError(
    'RUNTIME_UNSUITABLE',
    `--runtime ${runtime.shim} is a shim, which only containerd runs: import the image into containerd, or name runc, crun or another program with runc's command line`,
  )
}

/**
 * The program for workloads that name none.
 * @param named of all workloads; where each names a program, none is looked for
 * @throws {PreconditionError} RUNTIME_MISSING
 */
export function defaultRuntime(named: readonly (RuntimeChoice | undefined)[]): string {
  const program = RUNTIMES.map((name) => findProgram(name, [])).find((path) => path !== undefined)
  const first = named[0]?.program
  if (program !== undefined) return program
  if (first !== undefined && named.every((runtime) => runtime?.program !== undefined)) return first
  throw new PreconditionError(
    'RUNTIME_MISSING',
    `there is neither ${RUNTIMES.join(' nor ')} on this machine to run the image with: install one of these packages, or name a program with --runtime`,
  )
}

/**
 * A static program that reaps processes and passes signals on: it runs in any image.
 * @throws {PreconditionError} INIT_MISSING
 */
export function initProgram(): string {
  const found = INIT_NAMES.map((name) => findProgram(name, INIT_FOLDERS)).find(
    (path) => path !== undefined && isStatic(path),
  )
  if (found !== undefined) return found
  throw new PreconditionError(
    'INIT_MISSING',
    `--init needs a static ${INIT_NAMES.slice(0, -1).join(', ')} on this machine, and there is none: install one of the packages tini and catatonit`,
  )
}

function findProgram(name: string, moreFolders: readonly string[]): string | undefined {
  const path = (process.env.PATH ?? '').split(delimiter).filter((folder) => isAbsolute(folder))
  const paths = [...path, ...FOLDERS, ...moreFolders].map((folder) => executable(join(folder, name)))
  return paths.find((each) => each !== undefined)
}

function executable(path: string): string | undefined {
  try {
    accessSync(path, constants.X_OK)
    return statSync(path).isFile() ? path : undefined
  } catch {
    return undefined
  }
}

const PT_INTERP = 3

/** An ELF program of 64 bits, low byte first, that names no loader. @see elf(5) */
export function isStatic(path: string): boolean {
  const descriptor = openSync(path, 'r')
  try {
    const header = read(descriptor, 0, 64)
    if (header.length < 64 || header.readUInt32BE(0) !== 0x7f454c46 || header[4] !== 2 || header[5] !== 1)
      return false
    const size = header.readUInt16LE(54)
    const count = header.readUInt16LE(56)
    const table = read(descriptor, Number(header.readBigUInt64LE(32)), size * count)
    return Array.from({ length: count }, (_, i) => table.readUInt32LE(i * size)).every(
      (type) => type !== PT_INTERP,
    )
  } finally {
    closeSync(descriptor)
  }
}

function read(descriptor: number, position: number, length: number): Buffer {
  const bytes = Buffer.alloc(length)
  return bytes.subarray(0, readSync(descriptor, bytes, 0, length, position))
}
