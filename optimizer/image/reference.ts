/**
 * Image references as docker writes them. A store holds images under whole names
 * (`docker.io/library/alpine:3.20`); people type short ones.
 *
 * @see distribution/reference, "Grammar"
 */

import { type Digest, isDigest } from './digest.ts'

const DEFAULT_DOMAIN = 'docker.io'
const DEFAULT_TAG = 'latest'
/** With the registry's name it may have 255 characters in docker; registries hold the path to that. */
const REPOSITORY_CHARACTERS_MAX = 255

/**
 * The whole name that docker would look up: domain, `library/` and tag filled in.
 * @returns null for text that is not a reference in docker's grammar
 */
export function normalizeReference(text: string): string | null {
  const at = text.indexOf('@')
  const digest = at < 0 ? '' : text.slice(at)
  const named = at < 0 ? text : text.slice(0, at)
  const colon = named.lastIndexOf(':')
  const hasTag = colon > named.lastIndexOf('/')
  const tag = hasTag ? named.slice(colon) : ''
  const repository = hasTag ? named.slice(0, colon) : named

  const whole = withDomain(repository)
  if (whole === null) return null
  if (tag !== '' && !/^:\w[\w.-]{0,127}$/.test(tag)) return null
  if (digest !== '' && !/^@[a-z0-9]+(?:[.+_-][a-z0-9]+)*:[0-9a-fA-F]{32,}$/.test(digest)) return null
  return `${whole}${tag === '' && digest === '' ? `:${DEFAULT_TAG}` : tag}${digest}`
}

function withDomain(repository: string): string | null {
  const slash = repository.indexOf('/')
  const first = slash < 0 ? '' : repository.slice(0, slash)
  const isDomain = first === 'localhost' || /[.:]/.test(first) || first !== first.toLowerCase()
  let domain = isDomain ? first : DEFAULT_DOMAIN
  let path = isDomain ? repository.slice(slash + 1) : repository
  if (domain === 'index.docker.io') domain = DEFAULT_DOMAIN
  if (domain === DEFAULT_DOMAIN && !path.includes('/')) path = `library/${path}`

  const component = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$/
  if (!/^(?:\[[0-9a-fA-F:]+\]|[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?)(?::\d+)?$/.test(domain)) return null
  return path.split('/').every((part) => component.test(part)) ? `${domain}/${path}` : null
}

/** Names under which a store may hold what was typed: exactly that first, then docker's whole name. */
export function referenceCandidates(text: string): string[] {
  const whole = normalizeReference(text)
  return whole === null || whole === text ? [text] : [text, whole]
}

/** A repository in a registry, and which of its images is meant. */
export interface RegistryReference {
  /** As docker names it, with its port: `docker.io`, `localhost:5000`, `[::1]:5000`. */
  registry: string
  /** `library/alpine` */
  repository: string
  /** null where only a digest is given. */
  tag: string | null
  /** Decides where both are given, as for docker. */
  digest: Digest | null
}

/** Docker's whole name in its parts; null for text that is no reference, or whose digest is not sha256. */
export function parseReference(text: string): RegistryReference | null {
  const whole = normalizeReference(text)
  if (whole === null) return null
  const [named = '', digest = null] = whole.split('@')
  if (digest !== null && !isDigest(digest)) return null
  const slash = named.indexOf('/')
  const [registry, path] = [named.slice(0, slash), named.slice(slash + 1)]
  const [repository = '', tag = null] = path.split(':')
  return repository.length > REPOSITORY_CHARACTERS_MAX ? null : { registry, repository, tag, digest }
}

/** Back to docker's whole name. */
export function formatReference({ registry, repository, tag, digest }: RegistryReference): string {
  return `${registry}/${repository}${tag === null ? '' : `:${tag}`}${digest === null ? '' : `@${digest}`}`
}
