/** How registries are reached, as options of every command that takes an image. */
import { tmpdir } from 'node:os'
import { resolve } from 'node:path'
import type { Argv } from 'yargs'
import { UsageError } from '../../shared/errors.ts'
import {
  type BasicCredentials,
  HOSTS_FOLDER,
  type RegistrySettings,
  usualSettings,
} from '../registry/settings.ts'
import type { Arguments } from './command.ts'
import { repeated, single } from './option-values.ts'
import { firstTwice, invalidOption } from './values.ts'

const group = 'Registry:'

export function addRegistryOptions(yargs: Argv): Argv {
  return yargs
    .option('registry-config', {
      group,
      type: 'string',
      describe: "file with logins, docker's config.json or podman's auth.json",
      defaultDescription: 'those that docker and podman use',
    })
    .option('creds', {
      group,
      type: 'string',
      array: true,
      describe: '[HOST=]USER:PASSWORD in place of a login; others can see a command line (repeatable)',
    })
    .option('plain-http', {
      group,
      type: 'boolean',
      describe: 'speak http; --plain-http=false: https even on the loopback',
      defaultDescription: "on this machine's loopback",
    })
    .option('registry-ca', {
      group,
      type: 'string',
      describe: 'certificate of the authority to trust beside those that the machine trusts (PEM)',
    })
    .option('registry-cert', {
      group,
      type: 'string',
      describe: 'our own certificate, for registries that ask for one (PEM)',
    })
    .option('registry-key', {
      group,
      type: 'string',
      describe: 'key of --registry-cert, where it is not in the same file',
    })
    .option('hosts-dir', {
      group,
      type: 'string',
      array: true,
      describe: "containerd's folders of mirrors (HOST/hosts.toml) and certificates (repeatable)",
      defaultDescription: HOSTS_FOLDER,
    })
}

/** @throws {UsageError} */
export function registrySettings(argv: Arguments): RegistrySettings {
  const usual = usualSettings(resolve(single(argv, 'spool-dir') ?? tmpdir()))
  const hostsFolders = repeated(argv, 'hosts-dir')
  const [caFile, certFile, keyFile] = ['registry-ca', 'registry-cert', 'registry-key'].map(
    (name) => single(argv, name) ?? null,
  ) as [string | null, string | null, string | null]
  if (keyFile !== null && certFile === null)
    throw new UsageError('OPTIONS_CONTRADICT', '--registry-key needs --registry-cert, whose key it is')
  return {
    ...usual,
    configFile: single(argv, 'registry-config') ?? null,
    credentials: credentials(argv),
    tls: { caFile, certFile, keyFile },
    plainHttp: typeof argv['plain-http'] === 'boolean' ? argv['plain-http'] : null,
    hostsFolders: hostsFolders.length > 0 ? hostsFolders : usual.hostsFolders,
    // Layers that are looked at a second time.
    keepBlobs: argv.verify === true || argv.reuse === true,
  }
}

const WITH_HOST = /^((?:\[[0-9a-fA-F:]+\]|[A-Za-z0-9.-]+)(?::\d+)?)=([^:]+:.*)$/s

function credentials(argv: Arguments): Map<string, BasicCredentials> {
  const given = repeated(argv, 'creds').map((text): [host: string, BasicCredentials] => {
    const [, host = '', rest = text] = WITH_HOST.exec(text) ?? []
    const colon = rest.indexOf(':')
    // What was typed is not shown: it may be a password.
    if (colon < 1) throw invalidOption('creds', '…', 'write USER:PASSWORD or HOST=USER:PASSWORD')
    return [host, { username: rest.slice(0, colon), password: rest.slice(colon + 1) }]
  })
  const twice = firstTwice(given.map(([host]) => host))
  if (twice === undefined) return new Map(given)
  throw new UsageError('OPTION_REPEATED', `--creds is given twice for ${twice || 'the same registry'}`)
}
