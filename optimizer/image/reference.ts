/**
 * Image references as docker writes them. A store holds images under whole names
 * (`docker.io/library/alpine:3.20`); people type short ones.
 *
 * @see distribution/reference, "Grammar"
 */

const DEFAULT_DOMAIN = 'docker.io'
const DEFAULT_TAG = 'latest'

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
