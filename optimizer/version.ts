import { readFileSync } from 'node:fs'

/** Name and version of this package, from its package.json (one folder up in the sources, two in dist). */
export function packageVersion(): { name: string; version: string } {
  for (const candidate of ['../package.json', '../../package.json']) {
    try {
      return JSON.parse(readFileSync(new URL(candidate, import.meta.url), 'utf8'))
    } catch {
      // The other place.
    }
  }
  return { name: '@hotlayer/optimizer', version: 'unknown' }
}
