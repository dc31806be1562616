/** docs/migrating.md: complete by the help of the installed ctr-remote, and true by our own parser. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { runCommandLine } from '../optimizer/command-line.ts'
import { convertRequest } from '../optimizer/commands/convert.ts'
import { optimizeRequest } from '../optimizer/commands/optimize.ts'
import { CodedError, EXIT } from '../shared/errors.ts'

interface Row {
  peer: string
  ours: string
}

const document = readFileSync(new URL('../../docs/migrating.md', import.meta.url), 'utf8')

/** Rows of all tables of a section that have options. */
function rows(section: string): Row[] {
  const text = document.split(/^## /m).find((part) => part.startsWith(`${section}\n`)) ?? ''
  return [...text.matchAll(/^\| `(--?[a-zA-Z][\w-]*)[^`]*` \| (.+?) \|/gm)].map(
    ([, peer = '', ours = '']) => ({
      peer,
      ours,
    }),
  )
}

const optimizeRows = rows('image optimize')
const convertRows = rows('image convert')

function words(cell: string): string[] {
  const code = /`([^`]*)`/.exec(cell)?.[1] ?? ''
  return [...code.matchAll(/'([^']*)'|"([^"]*)"|(\S+)/g)].map(
    ([, single, double, plain]) => single ?? double ?? plain ?? '',
  )
}

describe('the tables of docs/migrating.md', () => {
  const { stdout = '', error } = spawnSync('ctr-remote', ['image', '--help'], { encoding: 'utf8' })
  const skip = error === undefined && stdout !== '' ? false : 'there is no ctr-remote here (bin/setup --test)'

  for (const [command, known] of [
    ['optimize', optimizeRows],
    ['convert', convertRows],
  ] as const)
    it(`have every option of ctr-remote image ${command}`, { skip }, () => {
      const help = spawnSync('ctr-remote', ['image', command, '--help'], { encoding: 'utf8' }).stdout
      const options = help
        .slice(help.indexOf('OPTIONS:'))
        .split('\n')
        .flatMap((line) => /^ {3}(-.*?)(?: value)?(?: {2,}|$)/.exec(line)?.[1]?.split(', ') ?? [])
        .map((name) => name.replace(/ value$/, ''))
        .filter((name) => !['--help', '-h'].includes(name))
      assert.ok(options.length > 5, help)
      const missing = options.filter((name) => !known.some(({ peer }) => peer === name))
      assert.deepEqual(missing, [])
    })

  it('have no option twice', () => {
    for (const table of [optimizeRows, convertRows]) {
      const names = table.map(({ peer }) => peer)
      assert.deepEqual(
        names.filter((name, index) => names.indexOf(name) < index),
        [],
      )
    }
  })

  it('have an example or a reason in every row', () => {
    const neither = [...optimizeRows, ...convertRows].filter(
      ({ ours }) => !ours.startsWith('`-') && !/^(?:not offered|nothing): \S/.test(ours),
    )
    assert.deepEqual(neither, [])
  })
})

describe('the examples of docs/migrating.md', () => {
  let folder: string
  const home = process.cwd()

  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'hotlayer-migrating-'))
    writeFileSync(join(folder, 'first.txt'), '/bin/sh\n')
    writeFileSync(join(folder, 'env.list'), '# a comment\nNAME=value\n')
    writeFileSync(
      join(folder, 'record.jsonl'),
      `${JSON.stringify({ path: 'bin/sh', manifestDigest: `sha256:${'a'.repeat(64)}`, layerIndex: 0 })}\n`,
    )
    process.chdir(folder)
  })
  after(() => {
    process.chdir(home)
    rmSync(folder, { recursive: true })
  })

  /** What this machine lacks is no fault of the command line. */
  async function take(command: 'optimize' | 'convert', args: readonly string[]): Promise<void> {
    try {
      await runCommandLine([command, 'source:1', 'target:1', ...args], async (_command, argv) => {
        if (command === 'optimize') optimizeRequest(argv)
        else convertRequest(argv)
      })
    } catch (error) {
      if (error instanceof CodedError && error.exitCode === EXIT.precondition) return
      throw error
    }
  }

  for (const [command, table] of [
    ['optimize', optimizeRows],
    ['convert', convertRows],
  ] as const)
    for (const { ours } of table) {
      const args = words(ours)
      if (!ours.startsWith('`-')) continue
      it(`are taken by optimizer ${command}: ${args.join(' ')}`, async () => {
        await take(command, args)
      })
    }
})
