/**
 * What a person writes where an image is meant: a name in containerd, or `docker://`, `oci:`, `oci-archive:` and
 * `docker-archive:` as skopeo and podman write them.
 *
 * @see containers-transports(5)
 */
import { UsageError } from '../../shared/errors.ts'
import { type Digest, isDigest } from './digest.ts'
import { formatReference, parseReference, type RegistryReference } from './reference.ts'

export type ImageLocation =
  | { kind: 'containerd'; name: string }
  | { kind: 'oci'; path: string; reference: LayoutReference }
  | { kind: 'oci-archive'; path: string; reference: LayoutReference }
  /** As `docker save` writes it; to read only. */
  | { kind: 'docker-archive'; path: string; reference: LayoutReference }
  | RegistryLocation

/** An image in a registry. */
export interface RegistryLocation {
  kind: 'docker'
  reference: RegistryReference
}

/** Which image of a layout: by tag, by digest, or the only one. */
export type LayoutReference = { tag: string } | { digest: Digest } | null

/** How others name stores that this program does not know; no name in containerd begins so. */
const OTHER_TRANSPORTS = /^(?:docker-daemon:|containers-storage:)/
const REGISTRY_SCHEME = 'docker://'

/** @throws {UsageError} IMAGE_ARGUMENT_INVALID naming `argument` */
export function parseLocation(argument: string, text: string): ImageLocation {
  const layout = /^(oci|oci-archive|docker-archive):(.*)$/s.exec(text)
  if (layout !== null) {
    const [, kind, rest] = layout as unknown as [string, 'oci' | 'oci-archive' | 'docker-archive', string]
    return { kind, ...parseLayoutPath(argument, text, rest) }
  }
  if (text.startsWith(REGISTRY_SCHEME)) return registryLocation(argument, text)
  const other = OTHER_TRANSPORTS.exec(text)
  if (other !== null) {
    throw invalid(
      argument,
      text,
      `${other[0]} is not read or written here; use docker://, oci:DIR, oci-archive:FILE or containerd`,
    )
  }
  if (text === '') throw invalid(argument, text, 'it must not be empty')
  if (/^\.{0,2}\//.test(text))
    throw invalid(argument, text, 'it looks like a file; write oci:DIR or oci-archive:FILE')
  return { kind: 'containerd', name: text }
}

/** The same text back: what `parseLocation` reads as this location. */
export function formatLocation(location: ImageLocation): string {
  if (location.kind === 'containerd') return location.name
  if (location.kind === 'docker') return `${REGISTRY_SCHEME}${formatReference(location.reference)}`
  const { kind, path, reference } = location
  if (reference === null) return `${kind}:${path}`
  return 'tag' in reference ? `${kind}:${path}:${reference.tag}` : `${kind}:${path}@${reference.digest}`
}

/** How a layout's image store is asked for an image: its tag, `@` and its digest, or nothing. */
export function layoutReference(text: string): LayoutReference {
  if (text === '') return null
  const digest = text.slice(1)
  return text.startsWith('@') && isDigest(digest) ? { digest } : { tag: text }
}

/** What the location's image store is asked for. */
export function nameInStore(location: ImageLocation): string {
  if (location.kind === 'containerd') return location.name
  if (location.kind === 'docker') return formatReference(location.reference)
  const { reference } = location
  if (reference === null) return ''
  return 'tag' in reference ? reference.tag : `@${reference.digest}`
}

function registryLocation(argument: string, text: string): RegistryLocation {
  const reference = parseReference(text.slice(REGISTRY_SCHEME.length))
  if (reference !== null) return { kind: 'docker', reference }
  throw invalid(
    argument,
    text,
    'it is no reference: write docker://[HOST[:PORT]/]NAME[:TAG], names in lower case, or …@sha256:DIGEST',
  )
}

/** The path ends at the first colon, as skopeo has it: a tag may be a whole reference with slashes and colons. */
function parseLayoutPath(
  argument: string,
  text: string,
  rest: string,
): { path: string; reference: LayoutReference } {
  const at = rest.lastIndexOf('@')
  const digest = rest.slice(at + 1)
  if (at > 0 && isDigest(digest)) return { path: rest.slice(0, at), reference: { digest } }
  const colon = rest.indexOf(':')
  const path = colon < 0 ? rest : rest.slice(0, colon)
  const tag = colon < 0 ? '' : rest.slice(colon + 1)
  if (path === '' || path.includes('\0')) throw invalid(argument, text, 'it names no file or folder')
  if (colon >= 0 && !/^[A-Za-z0-9]+(?:(?:[-._:@/+]|--)[A-Za-z0-9]+)*$/.test(tag)) {
    throw invalid(
      argument,
      text,
      `${JSON.stringify(tag)} is no tag: write letters and digits joined by -._:@/+`,
    )
  }
  return { path, reference: colon < 0 ? null : { tag } }
}

function invalid(argument: string, text: string, what: string): UsageError {
  return new UsageError('IMAGE_ARGUMENT_INVALID', `<${argument}> ${JSON.stringify(text)}: ${what}`)
}
