/** docs/cli.md is made from the parser itself: `npm run docs` writes it, this test refuses a stale one. */
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { it } from 'node:test'
import { notifierCommandLine } from '../notifier/stand-alone/command-line.ts'
import { COMMANDS, commandLine } from '../optimizer/command-line.ts'

const FILE = new URL('../../docs/cli.md', import.meta.url)

const HEAD = `# Command line

Made from the programs' own help by \`npm run docs\`.

## Exit codes of optimizer

| code | meaning |
| --- | --- |
| 0 | done |
| 1 | unexpected: a defect of this program or of something below it |
| 2 | usage: unknown option, value that cannot be read, options that contradict each other; nothing was done |
| 3 | a precondition is missing: privilege, containerd, image, platform, a sound layer |
| 4 | the workload failed; no image was written |
| 5 | the record is known to miss accesses; no image was written |
| 6 | verification failed: the target is not what it should be |
| 130 | interrupted by SIGINT, SIGTERM or SIGHUP; everything was undone |

stdout carries the result alone: a digest, a table or, with \`--json\`, one document with a \`schemaVersion\`. Log lines,
progress and the workload's output go to stderr. An error is one sentence with a stable code in brackets; with
\`HOTLAYER_DEBUG=1\` its causes follow.
`

async function help(args: string[]): Promise<string> {
  let text = ''
  await commandLine(args, async () => {}).parseAsync(
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

async function document(): Promise<string> {
  const sections = [`## optimizer\n\n\`\`\`\n${await help(['--help'])}\n\`\`\`\n`]
  for (const command of COMMANDS) {
    const name = command.usage.split(' ')[0] as string
    sections.push(`## optimizer ${name}\n\n\`\`\`\n${await help([name, '--help'])}\n\`\`\`\n`)
  }
  sections.push(
    `## notifier\n\n[notifier.md](notifier.md) has examples.\n\n\`\`\`\n${await notifierHelp()}\n\`\`\`\n`,
  )
  return [HEAD, ...sections].join('\n')
}

it('docs/cli.md is what the program says of itself (`npm run docs` writes it)', async () => {
  const wanted = await document()
  if (process.env.UPDATE_DOCS !== undefined) writeFileSync(FILE, wanted)
  assert.equal(readFileSync(FILE, 'utf8'), wanted)
})
