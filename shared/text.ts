/** Text that both programs show to people. */

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'] as const

/** `12.3 MiB` */
export function formatBytes(bytes: number): string {
  let value = bytes
  let unit = 0
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024
    unit++
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${UNITS[unit]}`
}

/** Control characters of a workload or a file name must not steer the terminal; tab and newline stay. */
export function printable(text: string): string {
  return text.replace(
    /(?![\t\n])\p{Cc}/gu,
    (character) => `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`,
  )
}

/** A path of an image or a record, as people write it. */
export function printablePath(path: string): string {
  return `/${printableName(path)}`
}

/** `1 file`, `217 files` */
export function countedFiles(files: number): string {
  return `${files} ${files === 1 ? 'file' : 'files'}`
}

const SHORT: Record<string, string> = { '\n': '\\n', '\t': '\\t' }

/** A name within a line: it makes no further lines either, and does not turn the direction of what follows. */
export function printableName(text: string): string {
  return printable(text).replace(
    /[\t\n\p{Zl}\p{Zp}\p{Bidi_Control}]/gu,
    (character) =>
      SHORT[character] ?? `\\u{${(character.codePointAt(0) as number).toString(16).padStart(4, '0')}}`,
  )
}
