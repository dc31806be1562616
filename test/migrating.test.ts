/** docs/migrating.md: complete by the help of the installed ctr-remote, and true by our own parser. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { cacheFolder } from '../bench/sample/sample-image.ts'
import { runCommandLine } from '../optimizer/command-line.ts'
import { convertRequest } from '../optimizer/commands/convert.ts'
import { optimizeRequest } from '../optimizer/commands/optimize.ts'
import { PEER_OPTIONS } from '../optimizer/commands/peer-words.ts'
import { programFact } from '../optimizer/program.ts'
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
const otherRows = rows('Other commands')

function words(cell: string): string[] {
  const code = /`([^`]*)`/.exec(cell)?.[1] ?? ''
  return [...code.matchAll(/'([^']*)'|"([^"]*)"|(\S+)/g)].map(
    ([, single, double, plain]) => single ?? double ?? plain ?? '',
  )
}

function help(program: string, ...command: string[]): string {
  return spawnSync(program, [...command, '--help'], { encoding: 'utf8' }).stdout ?? ''
}

/** Names of the options below a heading, with all their spellings. */
function optionsIn(text: string, heading = 'OPTIONS:'): string[] {
  const options = text
    .slice(text.indexOf(heading))
    .split('\n')
    .flatMap((line) => /^ {3}(-.*?)(?: value)?(?: {2,}|$)/.exec(line)?.[1]?.split(', ') ?? [])
    .map((name) => name.replace(/ value$/, ''))
  return options.filter((name) => !['--help', '-h', '--version', '-v'].includes(name))
}

/** What `ctr image` has by itself, which ctr-remote is made of. */
const CTR_IMAGE =
  /^(?:check|convert|delete|export|import|inspect|label|list|mount|optimize|prune|pull|push|tag|unmount|usage)$/

/** The one on PATH, and that of the next Debian where it has been fetched. */
const programs = ['ctr-remote', join(cacheFolder(), 'stargz-snapshotter-trixie', 'usr', 'bin', 'ctr-remote')]
const [installed, ...fetched] = programs.filter((program) => help(program) !== '')

describe('the tables of docs/migrating.md', () => {
  const skip = installed === undefined ? 'there is no ctr-remote here (bin/setup --test)' : false

  it('have every option of every ctr-remote that is here, and every command of its own', { skip }, () => {
    for (const program of [installed as string, ...fetched]) {
      const has = (what: string, table: readonly Row[], names: readonly string[], atLeast: number) => {
        assert.ok(names.length >= atLeast, `${program} ${what}: ${names}`)
        const missing = names.filter((name) => !table.some(({ peer }) => peer === name))
        assert.deepEqual(missing, [], `${program} ${what}`)
      }
      has('image optimize', optimizeRows, optionsIn(help(program, 'image', 'optimize')), 20)
      has('image convert', convertRows, optionsIn(help(program, 'image', 'convert')), 9)
      // A letter alone stands for a word of the same line.
      const global = optionsIn(help(program), 'GLOBAL OPTIONS:').filter((name) => name.startsWith('--'))
      has('', optimizeRows, global, 5)
      const toc = 'get-toc-digest'
      has(`image ${toc}`, otherRows, optionsIn(help(program, 'image', toc)), 1)
      has('fanotify', otherRows, optionsIn(help(program, 'fanotify')), 0)
      const commands = [...help(program, 'image').matchAll(/^ {3}([a-z][a-z-]+)(?:,| {2})/gm)]
      const own = commands.map(([, name = '']) => name).filter((name) => !CTR_IMAGE.test(name))
      assert.deepEqual(
        [...own.map((name) => `image ${name}`), 'fanotify'].filter(
          (name) => !document.includes(`| \`${name}`),
        ),
        [],
        program,
      )
    }
  })

  it('have no option twice', () => {
    for (const table of [optimizeRows, convertRows, otherRows]) {
      const names = table.map(({ peer }) => peer)
      assert.deepEqual(
        names.filter((name, index) => names.indexOf(name) < index),
        [],
      )
    }
  })

  it('have an example or a reason in every row', () => {
    const neither = [...optimizeRows, ...convertRows, ...otherRows].filter(
      ({ ours }) => !/^`(?:-|optimizer )/.test(ours) && !/^(?:not offered|nothing): \S/.test(ours),
    )
    assert.deepEqual(neither, [])
  })
})

describe('the error of an option that has another name here, or none', () => {
  it('says what does it instead', async () => {
    const { commands } = await programFact()
    const unanswered = (command: string, table: readonly Row[]) => {
      const options = commands.find(({ name }) => name === command)?.options ?? []
      const known = options.flatMap(({ name, aliases }) => [name, ...aliases])
      return table
        .map(({ peer }) => peer.replace(/^--?/, ''))
        .filter((name) => !known.includes(name) && !(name in PEER_OPTIONS))
    }
    assert.deepEqual(unanswered('optimize', optimizeRows), [])
    assert.deepEqual(unanswered('convert', convertRows), [])
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

  it('are commands of ours where they are whole commands', async () => {
    const examples = [...document.matchAll(/`optimizer ([^`]+)`/g)].map(([, text = '']) => text)
    const whole = examples.filter((text) => / [A-Z-]/.test(text))
    assert.ok(whole.length >= 2)
    for (const text of whole) await runCommandLine(words(`\`${text}\``), async () => {})
  })

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
