/** Commands that README and the documents show: our parser takes each as it stands there. */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { parseCommandLine } from '../notifier/stand-alone/command-line.ts'
import { runCommandLine } from '../optimizer/command-line.ts'

const ROOT = new URL('../../', import.meta.url)
/** Made from the table of commands, whose own test this is; and what is run as it is (test/root/ci-recipes.test.ts). */
const TESTED_ELSEWHERE = ['cli.md', 'ci.md']

interface Shown {
  program: string
  words: string[]
  where: string
}

/** In blocks of code, where nothing is left out. */
function commandsIn(path: string): Shown[] {
  const text = readFileSync(new URL(path, ROOT), 'utf8')
  const blocks = [...text.matchAll(/^```\w*\n([\s\S]*?)^```$/gm)].map(([, block = '']) => block)
  return blocks
    .flatMap((block) => block.replaceAll(/ *\\\n */g, ' ').split('\n'))
    .flatMap((line) => {
      const [, program, rest] = /^(?:\$ |# )?(?:sudo )?(?:bin\/)?(optimizer|notifier) (.*)$/.exec(line) ?? []
      if (program === undefined || rest === undefined || /…|\[[A-Z-]/.test(rest)) return []
      // A row of a table, or what is no command.
      if (!(program === 'notifier' ? /^-/ : /^[a-z]+(?: |$)/).test(rest)) return []
      return [{ program, words: shellWords(rest), where: `${path}: ${line}` }]
    })
}

/** As a shell reads them, up to a comment, a pipe or a redirection. */
function shellWords(line: string): string[] {
  const words = [...line.matchAll(/(?:[^\s'"]+|'[^']*'|"[^"]*")+/g)].map(([word]) => word)
  const end = words.findIndex((word) => /^[#|>;&]/.test(word))
  return words
    .slice(0, end < 0 ? undefined : end)
    .map((word) => word.replaceAll(/'([^']*)'|"([^"]*)"/g, (_, single = '', double = '') => single || double))
}

describe('a command that is shown', () => {
  const documents = readdirSync(new URL('docs/', ROOT))
    .filter((name) => name.endsWith('.md') && !TESTED_ELSEWHERE.includes(name))
    .map((name) => `docs/${name}`)
  const commands = ['README.md', ...documents].flatMap(commandsIn)

  it('is one that the program takes', async () => {
    const refused: string[] = []
    for (const { program, words, where } of commands)
      try {
        // The file of --config is not here.
        if (program === 'notifier') parseCommandLine(words)
        else if (!words.includes('--config')) await runCommandLine(words, async () => {})
      } catch (error) {
        refused.push(`${where}: ${error}`)
      }
    assert.deepEqual(refused, [])
    for (const path of ['README.md', 'docs/registries.md', 'docs/notifier.md'])
      assert.ok(commands.some(({ where }) => where.startsWith(path)))
  })
})
