/** Documents that are made from the programs themselves: `npm run docs` writes them, this test refuses stale ones. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { manPage } from '../bin/man-page.ts'
import { notifierCommandLine } from '../notifier/stand-alone/command-line.ts'
import { programFact as notifierFact } from '../notifier/stand-alone/options.ts'
import { allCommands, commandLine, commandOf } from '../optimizer/command-line.ts'
import { configSchema, configTable } from '../optimizer/config/scheme.ts'
import { programFact } from '../optimizer/program.ts'
import { packageVersion } from '../optimizer/version.ts'

const ROOT = new URL('../../', import.meta.url)

const EXIT_CODES = [
  ['0', 'done'],
  ['1', 'unexpected: a defect of this program or of something below it'],
  [
    '2',
    'usage: unknown option, value that cannot be read, options that contradict each other; nothing was done',
  ],
  ['3', 'a precondition is missing: privilege, containerd, image, platform, a sound layer'],
  ['4', 'the workload failed; no image was written'],
  ['5', 'the record is known to miss accesses; no image was written'],
  [
    '6',
    'a check failed: the target is not what it should be (`verify`), records differ (`records diff`), less was hit than `--min-hit` asks for',
  ],
  ['130', 'interrupted by SIGINT, SIGTERM or SIGHUP; everything was undone'],
] as const

const OUTPUT = `stdout carries the result alone: a digest, a table or, with \`--json\`, one document with a \`schemaVersion\`. Log lines,
progress and the workload's output go to stderr. An error is one sentence with a stable code in brackets; with
\`HOTLAYER_DEBUG=1\` its causes follow.

With \`--log-format json\` stderr has an object a line: \`time\` (RFC 3339), \`level\` (debug, info, warn, error) and
\`message\`; \`stage\` where one begins, and \`seconds\` where it ends (level debug); \`stream\` and \`line\` of what the
workload says; \`code\` and \`exitCode\` of an error, whose code is null where it is a defect.

Colours and the line that shows progress are for terminals alone. \`NO_COLOR\` takes colours away, \`FORCE_COLOR\` brings
them.`

const HEAD = `# Command line

Made from the programs' own help by \`npm run docs\`, as are their man pages. \`optimizer completion bash\` (or \`zsh\`, \`fish\`)
and \`notifier --completion bash\` print completion scripts; [config.md](config.md) is about options in a file,
[errors.md](errors.md) about error codes.

## Exit codes of optimizer

| code | meaning |
| --- | --- |
${EXIT_CODES.map(([code, meaning]) => `| ${code} | ${meaning} |`).join('\n')}

${OUTPUT}
`

async function help(args: string[]): Promise<string> {
  let text = ''
  const command = (await allCommands()).find(({ usage }) => usage.split(' ')[0] === commandOf(args)) ?? null
  await commandLine(args, async () => {}, command).parseAsync(
    args,
    {},
    (_error: unknown, _argv: unknown, output: string) => {
      text = output
    },
  )
  return text.trim()
}

async function notifierHelp(): Promise<string> {
  let text = ''
  await notifierCommandLine([]).parseAsync(
    ['--help'],
    {},
    (_error: unknown, _argv: unknown, output: string) => {
      text = output
    },
  )
  return text.trim()
}

async function commandLineDocument(): Promise<string> {
  const sections = [`## optimizer\n\n\`\`\`\n${await help(['--help'])}\n\`\`\`\n`]
  for (const command of await allCommands()) {
    const name = command.usage.split(' ')[0] as string
    sections.push(`## optimizer ${name}\n\n\`\`\`\n${await help([name, '--help'])}\n\`\`\`\n`)
  }
  sections.push(
    `## notifier\n\n[notifier.md](notifier.md) has examples.\n\n\`\`\`\n${await notifierHelp()}\n\`\`\`\n`,
  )
  return [HEAD, ...sections].join('\n')
}

async function optimizerPage(): Promise<string> {
  return manPage(await programFact(), packageVersion().version, [
    {
      title: 'EXIT STATUS',
      text: EXIT_CODES.map(([code, meaning]) => `${code}: ${meaning}`),
    },
    { title: 'OUTPUT', text: OUTPUT.replaceAll('`', '').split('\n\n') },
    {
      title: 'ENVIRONMENT',
      text: [
        'CONTAINERD_ADDRESS, CONTAINERD_NAMESPACE: used where --address and --namespace are not given',
        'TMPDIR: where uncompressed layers are kept unless --spool-dir says so',
        'NO_COLOR, FORCE_COLOR: colours on stderr',
        'HOTLAYER_DEBUG: an error is followed by its causes',
      ],
    },
    { title: 'SEE ALSO', text: ['notifier(1), ctr(8)'] },
  ])
}

function notifierPage(): string {
  const fact = notifierFact()
  const [about = '', ...others] = fact.about
  return manPage(fact, packageVersion().version, [
    { title: 'DESCRIPTION', text: about.split('\n\n') },
    { title: 'PRIVILEGE AND EXIT STATUS', text: others },
    { title: 'SEE ALSO', text: ['optimizer(1), fanotify(7)'] },
  ])
}

/** The text around it is written by hand. */
function configDocument(): string {
  const [before = '', , after = ''] = read('docs/config.md').split(
    /(?<=<!-- options -->\n)([\s\S]*)(?=<!-- end -->)/,
  )
  return `${before}${configTable()}\n${after}`
}

function read(path: string): string {
  try {
    return readFileSync(new URL(path, ROOT), 'utf8')
  } catch (error) {
    if (process.env.UPDATE_DOCS !== undefined) return ''
    throw error
  }
}

describe('documents are what the programs say of themselves (`npm run docs` writes them):', () => {
  const made: Record<string, () => string | Promise<string>> = {
    'docs/cli.md': commandLineDocument,
    'docs/config.md': configDocument,
    'docs/config.schema.json': () => `${JSON.stringify(configSchema(), null, 2)}\n`,
    'man/optimizer.1': optimizerPage,
    'man/notifier.1': notifierPage,
  }
  for (const [path, make] of Object.entries(made))
    it(path, async () => {
      const wanted = await make()
      if (process.env.UPDATE_DOCS !== undefined) writeFileSync(new URL(path, ROOT), wanted)
      assert.equal(read(path), wanted)
    })
})

/** Of other programs, where their use is told in words. */
const OPTIONS_OF_OTHERS = ['--network', '--no-install-recommends', '--prefetch-files', '--test']
/** Have a program's options beside ours: another's, or those of the benchmarks. */
const OTHERS_TOO = ['docs/benchmarks.md', 'docs/migrating.md']

describe('an option that is told of', () => {
  const told = (path: string, pattern: RegExp) =>
    [...read(path).matchAll(pattern)].map(([, option = '']) => `${option} in ${path}`)

  it('is one that there is', async () => {
    const facts = [...(await programFact()).commands, ...notifierFact().commands]
    const options = facts.flatMap(({ options }) => options.flatMap(({ name, aliases }) => [name, ...aliases]))
    const known = new Set([...options.map((name) => `--${name}`), ...OPTIONS_OF_OTHERS])
    const documents = readdirSync(new URL('docs/', ROOT))
      .filter((name) => name.endsWith('.md'))
      .map((name) => `docs/${name}`)
      .filter((path) => !OTHERS_TOO.includes(path))
    const sources = ['optimizer', 'notifier', 'shared'].flatMap((folder) =>
      readdirSync(new URL(`${folder}/`, ROOT), { recursive: true })
        .map((name) => `${folder}/${String(name)}`)
        .filter((path) => path.endsWith('.ts')),
    )
    const all = [
      ...['README.md', ...documents].flatMap((path) => told(path, /`(--[a-z][a-z0-9-]*)/g)),
      // Where a message says what to do.
      ...sources.flatMap((path) => told(path, /\b(?:give|try|use|with|without) (--[a-z][a-z0-9-]*)/g)),
    ]
    assert.deepEqual(
      all.filter((text) => !known.has(text.split(' ')[0] as string)),
      [],
    )
  })
})

describe('a man page', () => {
  const skip = spawnSync('groff', ['--version']).error === undefined ? false : 'there is no groff here'
  for (const name of ['optimizer', 'notifier'])
    it(`of ${name} is read by groff without a complaint, and has every option`, { skip }, async () => {
      const { stdout, stderr, status } = spawnSync(
        'groff',
        ['-man', '-Tascii', '-P-cbou', '-ww', '-rLL=500n', new URL(`man/${name}.1`, ROOT).pathname],
        { encoding: 'utf8' },
      )
      assert.deepEqual([stderr, status], ['', 0])
      const program = name === 'optimizer' ? await programFact() : notifierFact()
      for (const { name: option } of program.commands.flatMap(({ options }) => options))
        assert.ok(stdout.includes(option.length === 1 ? `-${option}` : `--${option}`), option)
    })
})
