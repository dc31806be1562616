import type { Argv } from 'yargs'
import { CodedError, EXIT, UsageError } from '../../shared/errors.ts'
import { printable } from '../../shared/text.ts'
import type { FileCheck } from '../config/check.ts'
import { parseLocation } from '../image/location.ts'
import type { Arguments, Command, CommandContext, FailedResult } from './command.ts'
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
const COMMANDS_CHECKED = ['optimize', 'record', 'replay'] as const

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
      describe: 'every key and value, and whether they go together: all mistakes at once',
    },
  ],
  builder: (yargs) => addOutputOptions(addContainerdOptions(addPlatformOption(addOwnOptions(yargs)))),

  async run(argv, context) {
    const action = oneOf('action', positional(argv, 'action'), ACTIONS)
    return action === 'check' ? await check(argv) : await init(argv, context)
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

async function check(argv: Arguments): Promise<string | FailedResult> {
  if (single(argv, 'out') !== undefined)
    throw new UsageError('OPTIONS_CONTRADICT', '--out is for config init: check writes nothing')
  const { checkFile } = await import('../config/check.ts')
  const asked = single(argv, 'for')
  const result = await checkFile(
    positional(argv, 'subject'),
    asked === undefined ? undefined : oneOf('for', asked, COMMANDS_CHECKED),
  )
  const output =
    argv.json === true ? `${JSON.stringify({ schemaVersion: 1, ...result }, null, 2)}\n` : checkText(result)
  return result.mistakes.length === 0 ? output : { output, failure: checkFailure(result) }
}

function checkText({ file, command, options, workloads, mistakes }: FileCheck): string {
  const lines = mistakes.map(({ line, column, workload, code, message }) => {
    const place = line === null ? file : `${file}:${line}:${column}`
    return `${place}: ${workload === null ? '' : `workload ${workload}: `}${printable(message)} [${code}]\n`
  })
  if (lines.length > 0) return lines.join('')
  const named = workloads.length === 0 ? '' : `, workloads ${workloads.join(', ')}`
  return `${file}: fit for optimizer ${command} (${options.length} options${named})\n`
}

/** A file that cannot be right anywhere before one that asks for what this machine lacks. */
function checkFailure({ file, command, mistakes }: FileCheck): CodedError {
  const codes = new Set(mistakes.map(({ code }) => code))
  const [code = ''] = codes
  const isWrong = mistakes.some(({ exitCode }) => exitCode === EXIT.usage)
  const count = mistakes.length === 1 ? 'one mistake' : `${mistakes.length} mistakes`
  return new CodedError(
    codes.size === 1 ? code : 'CONFIG_INVALID',
    `${file} is not fit for optimizer ${command}: ${count}`,
    { exitCode: isWrong ? EXIT.usage : EXIT.precondition },
  )
}

async function init(argv: Arguments, { console, signal }: CommandContext): Promise<string> {
  const out = single(argv, 'out')
  const location = parseLocation('subject', positional(argv, 'subject'))
  const path = out === undefined ? null : outputFile('out', out)
  const platform = platformOption(argv)
  const [{ withSource }, { resolveImage }, { initialFile, writeInitialFile }] = await Promise.all([
    import('../open-stores.ts'),
    import('../store/resolve.ts'),
    import('../config/initial-file.ts'),
  ])
  const place = { ...containerdOptions(argv), signal, log: console }
  const text = await withSource(location, place, async ({ content, images, name }) =>
    initialFile(location, await resolveImage(images, content, name, platform)),
  )
  if (path === null) return text
  writeInitialFile(path, text)
  return ''
}
