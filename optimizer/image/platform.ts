import { arch } from 'node:process'
import { UsageError } from '../../shared/errors.ts'

/** @see OCI image spec, image-index.md, `platform` */
export interface Platform {
  os: string
  architecture: string
  variant?: string
}

const ARCHITECTURE_OF_NODE: Record<string, string> = {
  x64: 'amd64',
  ia32: '386',
  arm64: 'arm64',
  arm: 'arm',
  ppc64: 'ppc64le',
  s390x: 's390x',
  riscv64: 'riscv64',
  loong64: 'loong64',
}
const ALIASES: Record<string, Omit<Platform, 'os'>> = {
  x86_64: { architecture: 'amd64' },
  'x86-64': { architecture: 'amd64' },
  aarch64: { architecture: 'arm64' },
  i386: { architecture: '386' },
  armhf: { architecture: 'arm', variant: 'v7' },
  armel: { architecture: 'arm', variant: 'v6' },
}

/** The platform this machine runs natively. */
export function hostPlatform(): Platform {
  return { os: 'linux', architecture: ARCHITECTURE_OF_NODE[arch] ?? arch }
}

/** `os/architecture[/variant]` or an architecture alone. @throws {UsageError} PLATFORM_INVALID */
export function parsePlatform(text: string): Platform {
  const parts = text.toLowerCase().split('/')
  if (parts.length > 3 || parts.some((part) => !/^[a-z0-9._-]+$/.test(part))) throw invalid(text)
  const [os, architecture, variant] = parts.length === 1 ? ['linux', parts[0]] : parts
  if (os === undefined || architecture === undefined) throw invalid(text)
  if (parts.length === 1 && architecture === 'linux') return hostPlatform()
  return normalizePlatform({ os, architecture, ...(variant === undefined ? {} : { variant }) })
}

/** Aliases resolved; the variants that every chip of their kind has (arm64/v8) and amd64/v1 left out. */
export function normalizePlatform(platform: Platform): Platform {
  const alias = ALIASES[platform.architecture] ?? { architecture: platform.architecture }
  let variant = platform.variant ?? alias.variant
  if (alias.architecture === 'arm64' && (variant === 'v8' || variant === '8')) variant = undefined
  if (alias.architecture === 'amd64' && variant === 'v1') variant = undefined
  if (alias.architecture === 'arm' && variant !== undefined && /^\d+$/.test(variant)) variant = `v${variant}`
  return { os: platform.os, architecture: alias.architecture, ...(variant ? { variant } : {}) }
}

export function formatPlatform(platform: Platform): string {
  return [platform.os, platform.architecture, platform.variant].filter(Boolean).join('/')
}

/** Whether an image for `offered` is what `wanted` asks for; a wanted variant must be met, an absent one is free. */
export function platformMatches(wanted: Platform, offered: Platform): boolean {
  const left = normalizePlatform(wanted)
  const right = normalizePlatform(offered)
  if (left.os !== right.os || left.architecture !== right.architecture) return false
  return left.variant === undefined || left.variant === right.variant
}

function invalid(text: string): UsageError {
  return new UsageError(
    'PLATFORM_INVALID',
    `--platform ${JSON.stringify(text)}: write os/architecture[/variant], for example linux/arm64`,
  )
}
