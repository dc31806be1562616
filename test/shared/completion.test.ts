/** Completion scripts, asked as the shells ask them. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { programFact as notifierFact } from '../../notifier/stand-alone/options.ts'
import { programFact } from '../../optimizer/program.ts'
import { completionScript, PATH_OPTIONS, SHELLS } from '../../shared/completion.ts'

const programs = [await programFact(), notifierFact()]

describe('bash', () => {
  let folder: string

  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'hotlayer-completion-'))
    for (const program of programs)
      writeFileSync(join(folder, `${program.name}.bash`), completionScript('bash', program))
    writeFileSync(join(folder, 'a record.jsonl'), '')
  })

  after(() => rmSync(folder, { recursive: true }))

  /** What a Tab at the end of these words offers. */
  function offered(...words: string[]): string[] {
    // As bash itself does it: an equals sign is a word of its own.
    const parts = words.flatMap((word) => word.split(/(=)/).filter((part, at) => part !== '' || at === 0))
    if (words.at(-1)?.endsWith('=')) assert.equal(parts.at(-1), '=')
    const script = `
      compopt() { :; }
      source ${words[0]}.bash
      COMP_WORDS=("$@"); COMP_CWORD=$((\${#COMP_WORDS[@]} - 1))
      _${words[0]}_completion
      printf '%s\\n' "\${COMPREPLY[@]}"`
    const { stdout, stderr, status } = spawnSync('bash', ['-c', script, 'bash', ...parts], {
      cwd: folder,
      encoding: 'utf8',
    })
    assert.deepEqual([stderr, status], ['', 0])
    return stdout.split('\n').filter((line) => line !== '')
  }

  it('offers commands first', () => {
    assert.deepEqual(offered('optimizer', 'con').sort(), ['config', 'convert'])
  })

  it('offers the options of the command that was named', () => {
    assert.deepEqual(offered('optimizer', 'record', 'image', '--record-o'), ['--record-out'])
    assert.deepEqual(offered('optimizer', 'inspect', '--record-o'), [])
  })

  it('offers what an option takes: choices, files, or nothing', () => {
    assert.deepEqual(offered('optimizer', 'optimize', '--mark', ''), ['auto', 'filesystem', 'mount'])
    assert.deepEqual(offered('optimizer', 'optimize', '--mark=mo'), ['mount'])
    assert.deepEqual(offered('optimizer', 'optimize', '--mark='), ['auto', 'filesystem', 'mount'])
    assert.deepEqual(offered('optimizer', 'convert', '--record-in', 'a'), ['a record.jsonl'])
    assert.deepEqual(offered('optimizer', 'record', '--period', ''), [])
  })

  it('offers each command its own, the planning ones as well', () => {
    assert.deepEqual(offered('optimizer', 're').sort(), ['record', 'records', 'replay', 'report'])
    assert.deepEqual(offered('optimizer', 'records', 'me'), ['merge'])
    assert.deepEqual(offered('optimizer', 'explain', 'image', '--pat'), ['--path'])
    assert.deepEqual(offered('optimizer', 'simulate', 'image', '--li'), ['--link'])
    assert.deepEqual(offered('optimizer', 'plan', 'image', '--record-in', 'a'), ['a record.jsonl'])
    assert.deepEqual(offered('optimizer', 'report', '--output', 'a'), ['a record.jsonl'])
    assert.deepEqual(offered('optimizer', 'replay', 'image', '--min'), ['--min-hit'])
  })

  it('offers the words that an argument may be', () => {
    assert.deepEqual(offered('optimizer', 'completion', 'z'), ['zsh'])
    assert.deepEqual(offered('optimizer', 'config', 'c'), ['check'])
  })

  it('offers the notifier’s options before --, and commands behind it', () => {
    assert.deepEqual(offered('notifier', '--for'), ['--format'])
    assert.ok(offered('notifier', '-f', 'json', '--', 'tru').includes('true'))
    assert.deepEqual(offered('notifier', '--', 'ls', '--for'), [])
  })
})

describe('every shell', () => {
  it('knows every option of every command', () => {
    for (const shell of SHELLS)
      for (const program of programs) {
        const script = completionScript(shell, program)
        for (const { name } of program.commands.flatMap(({ options }) => options))
          assert.match(script, new RegExp(`(?:--|-l |-s |-)${name}\\b`), `${shell}: ${name}`)
      }
  })

  for (const [shell, check] of [
    ['zsh', '-n'],
    ['fish', '--no-execute'],
  ] as const) {
    const skip = spawnSync(shell, ['--version']).error === undefined ? false : `there is no ${shell} here`
    it(`can be read by ${shell}`, { skip }, () => {
      const folder = mkdtempSync(join(tmpdir(), 'completion-'))
      try {
        for (const program of programs) {
          const file = join(folder, program.name)
          writeFileSync(file, completionScript(shell, program))
          const { stderr, status } = spawnSync(shell, [check, file], { encoding: 'utf8' })
          assert.deepEqual([stderr, status], ['', 0])
        }
      } finally {
        rmSync(folder, { recursive: true })
      }
    })
  }

  it('completes files for every option that is named for one', () => {
    const options = programs.flatMap(({ commands }) => commands.flatMap((command) => command.options))
    const forFile = /(?:^|-)(?:ca|cert|config|dir|file|key|list|notifier|out|output|report|root|socket)$/
    const silent = options.filter(
      ({ name, kind }) => kind !== 'flag' && forFile.test(name) && !(name in PATH_OPTIONS),
    )
    assert.deepEqual([...new Set(silent.map(({ name }) => name))], [])
  })

  it('is told of no path option that does not exist', () => {
    const names = programs
      .flatMap(({ commands }) => commands.flatMap(({ options }) => options))
      .map(({ name }) => name)
    assert.deepEqual(
      Object.keys(PATH_OPTIONS).filter((name) => !names.includes(name)),
      [],
    )
  })
})
