import type { Argv } from 'yargs'
import { UsageError } from '../../shared/errors.ts'
import { parseLocation } from '../image/location.ts'
import type { Arguments, Command } from './command.ts'
import {
  addContainerdOptions,
  addOutputOptions,
  addPlatformOption,
  containerdOptions,
  LOCATION_FORMS,
  platformOption,
  positional,
  single,
} from './common-options.ts'
import { TITLES } from './titles.ts'
import { oneOf, outputFile } from './values.ts'

const ACTIONS = ['check', 'init'] as const
const COMMANDS_CHECKED = ['optimize', 'record'] as const

export const configCommand: Command = {
  ...TITLES.config,
  examples: [
    {
      command: 'optimizer config init docker.io/library/nginx:1 --out nginx.yaml',
      describe: 'a file to begin with, from an image in containerd',
    },
    { command: 'optimizer config init oci:nginx:1', describe: 'from a layout, to stdout' },
    {
      command: 'optimizer config check nginx.yaml --for record',
      describe: 'every key and value, and whether they go together',
    },
  ],
  builder: (yargs) => addOutputOptions(addContainerdOptions(addPlatformOption(addOwnOptions(yargs)))),

  async run(argv) {
    const action = oneOf('action', positional(argv, 'action'), ACTIONS)
    return action === 'check' ? await check(argv) : await init(argv)
  },
}

function addOwnOptions(yargs: Argv): Argv {
  return yargs
    .positional('action', { type: 'string', choices: ACTIONS, describe: 'what is to be done' })
    .positional('subject', { type: 'string', describe: `check: a file; init: an image, ${LOCATION_FORMS}` })
    .option('for', {
      type: 'string',
      choices: COMMANDS_CHECKED,
      describe: 'check: the command that shall read the file',
      defaultDescription: 'optimize where the file has a target, else record',
    })
    .option('out', { type: 'string', describe: 'init: write to this file', defaultDescription: 'stdout' })
}

async function check(argv: Arguments): Promise<string> {
  if (single(argv, 'out') !== undefined)
    throw new UsageError('OPTIONS_CONTRADICT', '--out is for config init: check writes nothing')
  const { checkFile } = await import('../config/check.ts')
  const asked = single(argv, 'for')
  const result = await checkFile(
    positional(argv, 'subject'),
    asked === undefined ? undefined : oneOf('for', asked, COMMANDS_CHECKED),
  )
  if (argv.json === true) return `${JSON.stringify({ schemaVersion: 1, ...result }, null, 2)}\n`
  const workloads = result.workloads.length === 0 ? '' : `, workloads ${result.workloads.join(', ')}`
  return `${result.file}: fit for optimizer ${result.command} (${result.options.length} options${workloads})\n`
}

async function init(argv: Arguments): Promise<string> {
  const out = single(argv, 'out')
  const location = parseLocation('subject', positional(argv, 'subject'))
  const path = out === undefined ? null : outputFile('out', out)
  const platform = platformOption(argv)
  const [{ withSource }, { resolveImage }, { initialFile, writeInitialFile }] = await Promise.all([
    import('../open-stores.ts'),
    import('../store/resolve.ts'),
    import('../config/initial-file.ts'),
  ])
  const text = await withSource(location, containerdOptions(argv), async ({ content, images, name }) =>
    initialFile(location, await resolveImage(images, content, name, platform)),
  )
  if (path === null) return text
  writeInitialFile(path, text)
  return ''
}
