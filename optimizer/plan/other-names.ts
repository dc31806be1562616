/** Hard links: which names are of one file. */

/**
 * @param targets what each hard link is linked to, which may be another one
 * @returns by the name at the end of such a chain the others, in their order; nothing of a chain that bites its tail
 */
export function otherNames(targets: ReadonlyMap<string, string>): Map<string, string[]> {
  const names = new Map<string, string[]>()
  for (const link of targets.keys()) {
    const end = endOf(link, targets)
    if (end === undefined) continue
    const known = names.get(end)
    if (known === undefined) names.set(end, [link])
    else known.push(link)
  }
  return names
}

function endOf(link: string, targets: ReadonlyMap<string, string>): string | undefined {
  const seen = new Set<string>()
  let end = link
  for (let next = targets.get(end); next !== undefined; next = targets.get(end)) {
    if (seen.has(end)) return undefined
    seen.add(end)
    end = next
  }
  return end
}
