/** `--env-file`, as docker reads it. */
import { UsageError } from '../../shared/errors.ts'

/**
 * Lines of NAME=value. Blank lines, and lines whose first character after white space is `#`, say nothing. A value is
 * everything behind the first `=`: quotes, `#` and trailing spaces belong to it. A NAME alone takes the value that it
 * has in `own`, and says nothing where it has none there: what the image says stays.
 *
 * @param own our own environment
 * @returns changes in the form of `--env`
 * @throws {UsageError} ENV_FILE_INVALID
 */
export function parseEnvFile(text: string, file: string, own: NodeJS.ProcessEnv): string[] {
  return text
    .replace(/^\uFEFF/, '')
    .split('\n')
    .flatMap((raw, index) => {
      const line = raw.replace(/\r$/, '').trimStart()
      if (line === '' || line.startsWith('#')) return []
      const at = line.indexOf('=')
      const name = at === -1 ? line.trimEnd() : line.slice(0, at)
      if (name === '' || /[\s\0]/.test(name) || line.includes('\0')) {
        throw new UsageError(
          'ENV_FILE_INVALID',
          `${file}:${index + 1}: ${JSON.stringify(line)}: write NAME=value, without white space in the name`,
        )
      }
      if (at !== -1) return [line]
      const value = own[name]
      return value === undefined ? [] : [`${name}=${value}`]
    })
}
