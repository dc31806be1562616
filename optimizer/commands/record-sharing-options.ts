/** Records in a registry, as options of commands that make them or convert by them. */
import type { Argv } from 'yargs'
import { UsageError } from '../../shared/errors.ts'
import { type ImageLocation, parseLocation } from '../image/location.ts'
import type { RegistryReference } from '../image/reference.ts'
import type { Arguments } from './command.ts'
import { single } from './option-values.ts'

const group = 'Registry:'

export function addAttachOption(yargs: Argv): Argv {
  return addRepositoryOption(yargs).option('attach-record', {
    group,
    type: 'boolean',
    default: false,
    describe: "put the record into the source's repository, where others find it by the image's digest",
  })
}

export function addFindOption(yargs: Argv): Argv {
  return addRepositoryOption(yargs).option('record-from-registry', {
    group,
    type: 'boolean',
    default: false,
    describe: "order by the newest record in the source's repository",
  })
}

function addRepositoryOption(yargs: Argv): Argv {
  return yargs.option('record-repository', {
    group,
    type: 'string',
    describe: 'docker://HOST/NAME, the repository of records',
    defaultDescription: "the source's",
  })
}

/** Where records are looked for; null: nowhere. @throws {UsageError} */
export function recordsFrom(argv: Arguments, source: ImageLocation): RegistryReference | null {
  if (argv['record-from-registry'] !== true) return null
  if (argv['no-optimize'] !== true) return repositoryOf(argv, source, 'record-from-registry')
  throw new UsageError(
    'OPTIONS_CONTRADICT',
    '--no-optimize keeps the source order, --record-from-registry gives one: leave one of them out',
  )
}

/** Where the record goes; null: nowhere. @throws {UsageError} */
export function attachRecordTo(argv: Arguments, source: ImageLocation): RegistryReference | null {
  return argv['attach-record'] === true ? repositoryOf(argv, source, 'attach-record') : null
}

function repositoryOf(argv: Arguments, source: ImageLocation, option: string): RegistryReference {
  const named = single(argv, 'record-repository')
  const location = named === undefined ? source : parseLocation('--record-repository', named)
  if (location.kind === 'docker') return location.reference
  throw new UsageError(
    'OPTIONS_CONTRADICT',
    named === undefined
      ? `--${option} needs a repository, and <source> is in none: name one with --record-repository docker://HOST/NAME`
      : `--record-repository ${JSON.stringify(named)}: write docker://HOST/NAME`,
  )
}
