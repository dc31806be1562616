/** `optimizer config init`: a file to begin with. What the image says itself is shown, and need not be said again. */
import { writeFileSync } from 'node:fs'
import { messageOf, PreconditionError } from '../../shared/errors.ts'
import { formatLocation, type ImageLocation } from '../image/location.ts'
import type { ContainerConfig } from '../image/manifest.ts'
import { formatPlatform } from '../image/platform.ts'
import type { ResolvedImage } from '../store/resolve.ts'

/** The file as text. Everything that is not commented out is what a run needs. */
export function initialFile(location: ImageLocation, { name, config, platform }: ResolvedImage): string {
  const image = config.config ?? {}
  return [
    '# Options of optimizer optimize and optimizer record, by their names: docs/config.md.',
    `# Written from ${formatLocation(location)} (${formatPlatform(platform)}). Lines behind a # say what holds anyway, or what could be said.`,
    '',
    ...imageLines(location, name),
    '',
    '# What runs',
    ...workloadLines(image),
    '',
    '# When the run ends',
    ...stopLines(image),
    '',
    '# What becomes of it',
    '# record-out: record.jsonl',
    '# verify: true',
    '',
    '# Several workloads of the image, one after the other, with what of the above they have for themselves:',
    '# workloads:',
    '#   - name: serve',
    '#     args: ["…"]',
    '',
  ].join('\n')
}

function imageLines(location: ImageLocation, name: string): string[] {
  if (location.kind !== 'containerd')
    return [
      '# The image is run by containerd: import it there, and write its name.',
      '# source: name-in-containerd',
    ]
  return [`source: ${JSON.stringify(name)}`, `# target: ${JSON.stringify(optimizedName(name))}`]
}

/** The same name with another tag. */
function optimizedName(name: string): string {
  return `${name.replace(/@[^@]*$/, '')}${/:[^/]*$/.test(name.replace(/@[^@]*$/, '')) ? '' : ':latest'}-esgz`
}

function workloadLines(image: ContainerConfig): string[] {
  const env = image.Env ?? []
  return [
    `# entrypoint: ${JSON.stringify(image.Entrypoint ?? [])}`,
    `# args: ${JSON.stringify(image.Cmd ?? [])}`,
    ...(env.length === 0 ? ['# env: {NAME: "value"}'] : ['# env:', ...env.map(environmentLine)]),
    `# user: ${JSON.stringify(image.User || 'root')}`,
    `# cwd: ${JSON.stringify(image.WorkingDir || '/')}`,
  ]
}

function environmentLine(text: string): string {
  const at = text.indexOf('=')
  return `#   ${JSON.stringify(text.slice(0, at))}: ${JSON.stringify(text.slice(at + 1))}`
}

function stopLines(image: ContainerConfig): string[] {
  const ports = exposedPorts(image)
  const probe = healthProbe(image)
  const signal = image.StopSignal ? [`# It is stopped by ${image.StopSignal}, as the image says.`] : []
  const rules = [
    ...(ports.length === 0
      ? []
      : ['# The image exposes:', 'ready-tcp:', ...ports.map((port) => `  - "localhost:${port}"`)]),
    ...(probe === null ? [] : ["# The image's own health check:", `ready-exec: [${JSON.stringify(probe)}]`]),
  ]
  if (rules.length > 0) return [...rules, 'settle: 500ms', '# period: 120s', ...signal]
  return [
    'period: 10s',
    '# For a server, say when it is ready instead:',
    '# ready-tcp: ["localhost:80"]',
    '# ready-http: ["http://localhost/"]',
    '# wait-on-line: ["ready to accept connections"]',
    '# settle: 500ms',
    ...signal,
  ]
}

/** TCP alone. */
function exposedPorts({ ExposedPorts }: ContainerConfig): number[] {
  if (typeof ExposedPorts !== 'object' || ExposedPorts === null) return []
  return Object.keys(ExposedPorts).flatMap((text) => {
    const match = /^(\d+)(?:\/tcp)?$/.exec(text)
    return match === null ? [] : [Number(match[1])]
  })
}

/** Docker's: `["CMD", …]` or `["CMD-SHELL", text]`. */
function healthProbe({ Healthcheck }: ContainerConfig): string[] | null {
  const test = (Healthcheck as { Test?: unknown } | null | undefined)?.Test
  if (!Array.isArray(test) || test.some((word) => typeof word !== 'string')) return null
  const [kind, ...words] = test as string[]
  if (kind === 'CMD' && words.length > 0) return words
  return kind === 'CMD-SHELL' && words.length === 1 ? ['/bin/sh', '-c', words[0] as string] : null
}

/** @throws {PreconditionError} OUTPUT_FAILED; a file that is there stays */
export function writeInitialFile(path: string, text: string): void {
  try {
    writeFileSync(path, text, { flag: 'wx' })
  } catch (cause) {
    throw new PreconditionError('OUTPUT_FAILED', `--out ${path}: ${messageOf(cause)}`, { cause })
  }
}
