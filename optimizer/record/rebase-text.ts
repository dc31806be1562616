/** What has become of a record's files in another image, for a person. */
import { countedFiles, printablePath } from '../../shared/text.ts'
import type { MatchKind, RebaseMatch } from './rebase.ts'

/** Files that are named for each kind; `--json` has all. */
const NAMED_MAX = 5

const KINDS: Record<MatchKind, string> = {
  'same-layer': 'the same, in a layer that is the same',
  'same-content': 'the same content',
  'other-content': 'the same path with other content',
  'same-size': 'the same path and size (--from compares contents)',
  'other-size': 'the same path with another size',
  gone: 'gone',
}
/** What somebody wants to see. */
const NAMED: readonly MatchKind[] = ['other-content', 'other-size', 'gone']

/** Of all kinds, those without files included. */
export function matchCounts(matches: readonly RebaseMatch[]): Record<MatchKind, number> {
  const kinds = Object.keys(KINDS) as MatchKind[]
  const counts = kinds.map((kind) => [kind, matches.filter(({ match }) => match === kind).length])
  return Object.fromEntries(counts)
}

export function formatMatches(matches: readonly RebaseMatch[]): string[] {
  const lines = (Object.keys(KINDS) as MatchKind[]).flatMap((kind) => {
    const files = matches.filter(({ match }) => match === kind)
    if (files.length === 0) return []
    const named = NAMED.includes(kind) ? files.slice(0, NAMED_MAX).map(({ path }) => printablePath(path)) : []
    const more = named.length > 0 && files.length > NAMED_MAX ? ', …' : ''
    return [
      `${KINDS[kind]}: ${countedFiles(files.length)}${named.length > 0 ? `: ${named.join(', ')}${more}` : ''}`,
    ]
  })
  const renamed = matches.filter((match) => match.renamed).length
  return renamed === 0 ? lines : [...lines, `of these ${renamed} have another name there`]
}
