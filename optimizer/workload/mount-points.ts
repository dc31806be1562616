/** What is mounted where. @see proc(5), /proc/pid/mountinfo */
import { readFileSync } from 'node:fs'

/** Mount points at or below a folder, in the order of mounting. */
export function mountPointsBelow(folder: string): string[] {
  const lines = readFileSync('/proc/self/mountinfo', 'utf8').split('\n')
  const points = lines.map((line) => unescapeOctal(line.split(' ')[4] ?? ''))
  return points.filter((point) => point === folder || point.startsWith(`${folder}/`))
}

/** The kernel writes space, tab, newline and backslash as `\040` and so on. */
function unescapeOctal(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)))
}
