/** Which platforms' programs this machine can run: its own, and those that an interpreter is registered for. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { PreconditionError } from '../shared/errors.ts'
import { formatPlatform, hostPlatform, type Platform, platformMatches } from './image/platform.ts'

/** 32-bit x86 programs run on x86-64 as they are. */
const ALSO_RUNS: Record<string, string> = { amd64: '386', arm64: 'arm' }
const BINFMT_FOLDER = '/proc/sys/fs/binfmt_misc'

/** @throws {PreconditionError} PLATFORM_NOT_RUNNABLE when this machine cannot run the platform's programs */
export function requireWorkloadPlatform(platform: Platform): void {
  if (canRun(platform)) return
  throw new PreconditionError(
    'PLATFORM_NOT_RUNNABLE',
    `this machine (${formatPlatform(hostPlatform())}) cannot run ${formatPlatform(platform)} to record it: record on such a ` +
      'machine and convert with its --record-in, register an interpreter (binfmt_misc with the flag F), or convert ' +
      'without recording with --no-optimize',
  )
}

export function canRun(platform: Platform, binfmtFolder: string = BINFMT_FOLDER): boolean {
  return isNative(platform) || hasInterpreter(platform, binfmtFolder)
}

/** Of these the one to run: this machine's own platform, else the first that it can run; undefined without one. */
export function choosePlatformToRun<T extends { platform: Platform }>(images: readonly T[]): T | undefined {
  const host = hostPlatform()
  return (
    images.find(({ platform }) => platformMatches(host, platform)) ??
    images.find(({ platform }) => canRun(platform))
  )
}

function isNative(platform: Platform): boolean {
  const host = hostPlatform()
  if (platformMatches(host, platform)) return true
  return platform.os === host.os && platform.architecture === ALSO_RUNS[host.architecture]
}

/** Class (1: 32 bits, 2: 64 bits), byte order (1: little, 2: big) and machine in an ELF header. @see elf(5) */
const ELF: Record<string, [elfClass: number, order: number, machine: number]> = {
  amd64: [2, 1, 62],
  '386': [1, 1, 3],
  arm64: [2, 1, 183],
  arm: [1, 1, 40],
  ppc64le: [2, 1, 21],
  s390x: [2, 2, 22],
  riscv64: [2, 1, 243],
  loong64: [2, 1, 258],
  mips64le: [2, 1, 8],
}

/** An enabled entry that knows such programs by their first bytes and needs no file of the container (flag F). */
function hasInterpreter({ os, architecture }: Platform, folder: string): boolean {
  const header = os === 'linux' ? elfHeader(architecture) : undefined
  return header !== undefined && entries(folder).some((text) => matches(text, header))
}

function elfHeader(architecture: string): Buffer | undefined {
  const known = ELF[architecture]
  if (known === undefined) return undefined
  const [elfClass, order, machine] = known
  const header = Buffer.alloc(128)
  header.set([0x7f, 0x45, 0x4c, 0x46, elfClass, order, 1])
  const write = order === 1 ? 'writeUInt16LE' : 'writeUInt16BE'
  header[write](2, 16)
  header[write](machine, 18)
  return header
}

function entries(folder: string): string[] {
  try {
    return readdirSync(folder)
      .filter((name) => name !== 'register' && name !== 'status')
      .map((name) => readFileSync(join(folder, name), 'utf8'))
  } catch {
    return []
  }
}

/** @see the kernel's Documentation/admin-guide/binfmt-misc.rst */
function matches(text: string, header: Buffer): boolean {
  const [state, ...lines] = text.split('\n')
  const field = (name: string) => lines.find((line) => line.startsWith(`${name} `))?.slice(name.length + 1)
  const flags = lines.find((line) => line.startsWith('flags:')) ?? ''
  const magic = Buffer.from(field('magic') ?? '', 'hex')
  if (state !== 'enabled' || !flags.slice('flags:'.length).includes('F') || magic.length === 0) return false
  const offset = Number(field('offset') ?? 0)
  const mask = Buffer.from(field('mask') ?? 'ff'.repeat(magic.length), 'hex')
  return magic.every((byte, i) => {
    const bits = mask[i] ?? 0xff
    return ((header[offset + i] ?? 0) & bits) === (byte & bits)
  })
}
