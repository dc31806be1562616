/** Name and version of this program, for people. */
import { readFileSync } from 'node:fs'

export function program(): string {
  const manifest = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))
  return `notifier ${manifest.version}`
}
