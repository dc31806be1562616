/** What the command line says to whoever has mistyped it, and how it looks. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { allCommands, asksForVersion, runCommandLine } from '../../optimizer/command-line.ts'
import type { Arguments, CommandContext } from '../../optimizer/commands/command.ts'
import { programFact } from '../../optimizer/program.ts'
import type { CodedError } from '../../shared/errors.ts'

const PROGRAM = fileURLToPath(new URL('../../../bin/optimizer', import.meta.url))

/** What the chosen command would be handed. */
async function parse(...args: string[]): Promise<Arguments> {
  let taken: Arguments = {}
  await runCommandLine(args, async (_command, argv) => {
    taken = argv
  })
  return taken
}

/** What help prints, which is the parser's own doing. */
async function helpOf(...args: string[]): Promise<string> {
  const { log } = console
  let text = ''
  console.log = (line: string) => {
    text += `${line}\n`
  }
  try {
    await parse(...args)
  } finally {
    console.log = log
  }
  return text
}

describe('a mistake in the command line', () => {
  const mistakes: [args: string[], message: RegExp][] = [
    [['recrod', 'image'], /^there is no command recrod: did you mean record\?/],
    [['frobnicate'], /^there is no command frobnicate \(/],
    [['frobnicate', 'record', 'image'], /^there is no command frobnicate \(/],
    [
      ['image', 'optimize', '--oci', 'source', 'target'],
      /^there is no command image, begin with optimizer optimize or optimizer convert \(/,
    ],
    [
      ['--address', 'socket', '-n', 'k8s.io', 'image', 'convert', 'source', 'target'],
      /^there is no command image, begin/,
    ],
    [['--perod', '5s', 'record', 'image'], /^there is no option --perod of optimizer record: did you mean/],
    [['get-toc-digest', 'image'], /^there is no command get-toc-digest, optimizer inspect/],
    [
      ['convert', '--estargz', 'source', 'target'],
      /^there is no option --estargz of optimizer: leave it out/,
    ],
    [
      ['convert', 'source', 'target', '--estargz-record-in', 'file'],
      /^there is no option --estargz-record-in of optimizer: write --record-in/,
    ],
    [[], /^name a command: optimize, convert, .* or completion/],
    [
      ['record', 'image', '--perod', '5s'],
      /^there is no option --perod of optimizer record: did you mean --period\?/,
    ],
    [
      ['record', 'image', '--perod=5s'],
      /^there is no option --perod of optimizer record: did you mean --period\?/,
    ],
    [
      ['record', 'image', '--label', '--version'],
      /^--label needs a value, and --version looks like an option: write --label=--version where it is the value/,
    ],
    [
      ['record', 'image', '--label', '--help'],
      /^--label needs a value, and --help looks like an option: write --label=--help where it is the value/,
    ],
    [
      ['inspect', '--jsno', 'image'],
      /^there is no option --jsno of optimizer inspect: did you mean --json\?/,
    ],
    [
      ['inspect', 'image', '--fast'],
      /^there is no option --fast of optimizer inspect: optimizer optimize has it/,
    ],
    [['inspect', 'image', '--qqqqqq'], /^there is no option --qqqqqq of optimizer inspect \(/],
    [['inspect', 'image', '-q'], /^there is no option -q of optimizer inspect/],
    [['inspect', 'one', 'two'], /^one argument too many, "two": optimizer inspect <image>/],
    [['verify', 'one'], /^an argument is missing: optimizer verify <source> <target>/],
    [['record', 'image', '--mark', 'mout'], /^--mark "mout": write one of auto, filesystem, mount/],
    [['completion', 'bsh'], /^<shell> "bsh": write one of bash, zsh, fish/],
    [['help', 'recrod'], /^there is no command recrod: did you mean record\?/],
    [['version'], /^there is no command version: did you mean --version\?/],
    [['record', 'image', '-g'], /^there is no option -g of optimizer record \(/],
    [
      ['record', 'image', '--args', 'nginx', '-g', 'daemon off;', '--period', '5s'],
      /^--args takes a JSON array of strings as one word: write --args '\["nginx","-g","daemon off;"\]'/,
    ],
    [['record', 'image', '-period', '5s'], /^there is no option -period: did you mean --period\?/],
    [
      ['convert', 'image', 'target', '--verify=yes'],
      /^--verify is on or off, not "yes": write --verify or --verify=false \(/,
    ],
    [
      ['convert', 'image', 'target', '--zstdchunked=containers'],
      /^--zstdchunked is on or off, not "containers"/,
    ],
    [['record', 'image', '--args'], /^--args needs a value \(/],
    [['record', 'image', '--record-out', '--', 'x'], /^--record-out needs a value \(/],
    [
      ['record', 'image', '--args', '--period', '5s'],
      /^--args needs a value, and --period looks like an option: write --args '\["--period"\]' where it is the value/,
    ],
    [
      ['record', 'image', '-e', '--perod=5s'],
      /^-e needs a value, and --perod looks like an option: write --env=--perod=5s where/,
    ],
  ]
  for (const [args, message] of mistakes)
    it(`is told, with what was meant: optimizer ${args.join(' ')}`, async () => {
      await assert.rejects(parse(...args), (error: CodedError) => {
        assert.match(error.message, message)
        assert.deepEqual([error.code, error.exitCode], ['USAGE', 2])
        return true
      })
    })
})

describe('a value that begins with a dash', () => {
  it('is a value, behind every option that takes one', async () => {
    const words = [
      '--env',
      '-X=1',
      '-e',
      '--debug',
      '--wait-on-line',
      '--- ready',
      '--cwd',
      '-',
      '--http',
      '-x',
      '-ie',
      '-Y=2',
    ]
    const argv = await parse(
      'record',
      'image',
      '--pids-limit',
      '-1',
      '--args',
      '-x',
      ...words,
      '--settle',
      '1s',
    )
    const { env, 'wait-on-line': line, cwd, http, args, 'pids-limit': pids, settle, source } = argv
    assert.deepEqual(
      [env, line, cwd, http, args, pids, settle, source],
      [['-X=1', '--debug', '-Y=2'], ['--- ready'], '-', ['-x'], '-x', '-1', '1s', 'image'],
    )
  })

  it('is no list of words: how it is one is told, also where there is such an option', async () => {
    for (const option of ['--args', '--entrypoint', '--exec'])
      await assert.rejects(parse('record', 'image', option, '-v'), {
        code: 'USAGE',
        message: `${option} needs a value, and -v looks like an option: write ${option} '["-v"]' where it is the value`,
      })
    const { recordCommand } = await import('../../optimizer/commands/record.ts')
    for (const option of ['--args', '--entrypoint', '--exec'])
      await assert.rejects(
        runCommandLine(['record', 'image', option, '-x'], (_command, argv) =>
          recordCommand.run(argv, {} as CommandContext).then(() => {}),
        ),
        { code: 'OPTION_INVALID', message: `${option} "-x": write a JSON array of strings such as '["-x"]'` },
      )
  })
})

describe('the table of commands', () => {
  it('has an example for each, which its own parser takes', async () => {
    for (const { usage, examples } of await allCommands()) {
      assert.ok(examples.length > 0, usage)
      for (const { command } of examples) {
        const line = command.replace(/^eval "\$\((.*)\)"$/, '$1').replace(/ > .*$/, '')
        const [, ...words] = [...line.matchAll(/'([^']*)'|(\S+)/g)].map(
          ([, quoted, plain]) => quoted ?? plain ?? '',
        )
        // The file of --config is not here.
        if (!words.includes('--config')) await parse(...words)
      }
    }
  })

  it('shows them as they can be copied, in the columns that help has', async () => {
    for (const { usage, examples } of await allCommands()) {
      const [name = ''] = usage.split(' ')
      const shown = await helpOf('help', name)
      for (const { command } of examples)
        assert.ok(shown.replaceAll(/ \\\n {4}/g, ' ').includes(`\n  ${command}\n`), `${command}\n${shown}`)
      assert.ok(shown.split('\n').every((line) => line.length <= 110))
    }
  })

  it('has a group for every option that is not of one command alone, and a sentence for each', async () => {
    const { commands } = await programFact()
    const ungrouped = commands.flatMap(({ name, options }) =>
      options.filter(({ group }) => group === 'Options:').map((option) => `${name} --${option.name}`),
    )
    assert.ok(!ungrouped.some((text) => /--(?:json|address|period|record-out|workers)$/.test(text)))
    assert.deepEqual(
      commands.flatMap(({ options }) => options.filter(({ describe }) => describe === '')),
      [],
    )
  })

  it('has no two options of one spelling', async () => {
    for (const { name, options } of (await programFact()).commands) {
      const words = options.flatMap((option) => [option.name, ...option.aliases])
      assert.deepEqual(
        words.filter((word, index) => words.indexOf(word) < index),
        [],
        name,
      )
    }
  })
})

describe('versions', () => {
  const cases: [args: string[], asked: boolean][] = [
    [['--version'], true],
    [['record', '--version', 'image'], true],
    [['record', 'image', '--label', 'a=b', '--version'], true],
    [['record', 'image', '--terminal', '--version'], true],
    [['record', 'image', '--label', '--version'], false],
    [['record', 'image', '--label=--version'], false],
    [['record', 'image', '--', '--version'], false],
    [['record', 'image'], false],
  ]
  for (const [args, asked] of cases)
    it(`${args.join(' ')}: ${asked ? 'asked for' : 'not asked for'}`, async () => {
      assert.equal(await asksForVersion(args), asked)
    })
})

describe('the program', () => {
  let folder: string
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'hotlayer-command-line-'))
    // Says which modules it has been asked for.
    writeFileSync(
      join(folder, 'hook.mjs'),
      `import { writeSync } from 'node:fs'
       export async function load(url, context, next) { writeSync(2, url + '\\n'); return await next(url, context) }`,
    )
    writeFileSync(
      join(folder, 'register.mjs'),
      `import { register } from 'node:module'; register(${JSON.stringify(`file://${folder}/hook.mjs`)})`,
    )
  })
  after(() => rmSync(folder, { recursive: true }))

  function run(args: string[], env: NodeJS.ProcessEnv = {}, node: string[] = []) {
    const { status, stdout, stderr } = spawnSync(process.execPath, [...node, PROGRAM, ...args], {
      encoding: 'utf8',
      env: { ...process.env, CONTAINERD_ADDRESS: join(folder, 'none'), ...env },
    })
    return { status, stdout, stderr }
  }

  it('loads what works with images only when it works with one', () => {
    for (const args of [
      ['--version'],
      ['--help'],
      ['optimize', '--help'],
      ['completion', 'bash'],
      ['verify', 'one'],
    ]) {
      const { stderr } = run(args, {}, ['--import', join(folder, 'register.mjs')])
      assert.match(stderr, /optimizer\/main\.js/)
      assert.deepEqual(
        stderr.match(/.*(?:grpc|protobuf|open-stores|run-workload).*/g) ?? [],
        [],
        args.join(' '),
      )
    }
  })

  it('says errors as JSON lines where these are asked for', () => {
    for (const args of [
      ['inspect', 'image', '--log-format', 'json'],
      ['inspect', '--log-format=json', 'one', 'two'],
    ]) {
      const { status, stdout, stderr } = run(args)
      const { time, ...line } = JSON.parse(stderr)
      assert.match(time, /^\d{4}-\d\d-\d\dT[\d:.]+Z$/)
      assert.deepEqual([line.level, line.exitCode, stdout], ['error', status, ''])
      assert.match(line.code, /^(?:CONTAINERD_UNAVAILABLE|USAGE)$/)
      assert.ok(line.message.length > 0)
    }
  })

  it("leaves --env-file alone for the workload, which is an option of Node's as well", () => {
    const file = join(folder, 'env.list')
    writeFileSync(file, 'NODE_OPTIONS=--no-such-option\n')
    const start = (path: string) =>
      spawnSync(PROGRAM, ['record', 'image', '--env-file', path], {
        encoding: 'utf8',
        env: {
          PATH: `${dirname(process.execPath)}:${process.env.PATH}`,
          CONTAINERD_ADDRESS: join(folder, 'none'),
        },
      })
    assert.match(start(join(folder, 'missing')).stderr, /\[FILE_UNREADABLE\]/)
    assert.match(start(file).stderr, /^optimizer: .*\[(?:CONTAINERD_UNAVAILABLE|PRIVILEGE_MISSING)\]/)
  })

  it('has colours where they are asked for, and none where nobody looks', () => {
    assert.match(run(['inspect', 'a', 'b']).stderr, /^optimizer: one/)
    const { stderr } = run(['inspect', 'a', 'b'], { FORCE_COLOR: '1' })
    assert.ok(stderr.startsWith('\x1b[31moptimizer:\x1b[39m one'), stderr)
    assert.match(run(['inspect', 'a', 'b'], { FORCE_COLOR: '1', NO_COLOR: '1' }).stderr, /^optimizer: one/)
  })
})
