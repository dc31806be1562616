/** Option values as yargs gives them to what was meant. */
import { UsageError } from '../../shared/errors.ts'
import type { Arguments } from './command.ts'

/** A string option that may be given once. */
export function single(argv: Arguments, name: string): string | undefined {
  const value = argv[name]
  if (value === undefined || typeof value === 'string') return value
  throw new UsageError('OPTION_REPEATED', `--${name} may be given only once`)
}

/** A string option that may be given any number of times. */
export function repeated(argv: Arguments, name: string): string[] {
  const value = argv[name] ?? []
  return Array.isArray(value) ? value.map(String) : [String(value)]
}
