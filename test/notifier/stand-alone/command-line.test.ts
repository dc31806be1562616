import assert from 'node:assert/strict'
import { resolve } from 'node:path'
import { describe, it } from 'node:test'
import { parseCommandLine, type StandAloneRequest } from '../../../notifier/stand-alone/command-line.ts'

function parse(...args: string[]): StandAloneRequest {
  const request = parseCommandLine(args)
  assert.ok('target' in request)
  return request
}

describe('the command line of a stand-alone notifier', () => {
  it('takes everything after -- as the command, whatever it looks like', () => {
    const { target } = parse('--reads', '--', 'ls', '--help', '-0', '--', '007')
    assert.deepEqual(target, { words: ['ls', '--help', '-0', '--', '007'], root: undefined })
  })

  it('needs no --: the first word that is no option begins the command', () => {
    const { target, output } = parse('-o', 'x', 'ls', '-o', 'y', '--version')
    assert.deepEqual(target, { words: ['ls', '-o', 'y', '--version'], root: undefined })
    assert.match(output ?? '', /\/x$/)
  })

  it('takes a command called true or false for the command, not for a value of the flag before it', () => {
    for (const args of [
      ['true'],
      ['-s', 'true'],
      ['--reads', '-s', '-o', 'x', '-0s', 'true'],
      ['-o', 'true', 'true'],
    ])
      assert.deepEqual(parse(...args).target, { words: ['true'], root: undefined }, args.join(' '))
    assert.deepEqual(parse('-s', 'false', '--', 'true').target, {
      words: ['false', '--', 'true'],
      root: undefined,
    })
  })

  it('has sensible values for what is not given', () => {
    const { format, zero, output, summary, reads, mounts, failOnLoss } = parse('ls')
    assert.deepEqual(
      { format, zero, output, summary, reads, mounts, failOnLoss },
      {
        format: 'text',
        zero: false,
        output: undefined,
        summary: false,
        reads: false,
        mounts: [],
        failOnLoss: false,
      },
    )
  })

  it('takes -0 for paths, and lists of --mount and --exclude', () => {
    const { format, zero, mounts, filter } = parse(
      '-0',
      '--mount',
      '/a',
      '--mount',
      '/b',
      '--exclude',
      'x',
      'ls',
    )
    assert.deepEqual([format, zero, mounts.map(String)], ['paths', true, ['/a', '/b']])
    assert.deepEqual([filter(Buffer.from('/x')), filter(Buffer.from('/y'))], [false, true])
  })

  it('takes - as stdout, in every spelling', () => {
    for (const args of [['-o', '-'], ['--output', '-'], ['--output=-'], ['-o-']]) {
      const { output, target } = parse(...args, '--', 'ls')
      assert.deepEqual([output, target], ['-', { words: ['ls'], root: undefined }], args.join(' '))
    }
  })

  it('takes what begins with a dash for the value of an option that takes one, as the optimizer does', () => {
    for (const args of [
      ['-o', '-x'],
      ['--output', '-x'],
      ['--output=-x'],
      ['-s', '-o', '-x'],
      ['-so', '-x'],
    ]) {
      const { output, target } = parse(...args, 'ls', '-l')
      assert.deepEqual(
        [output, target],
        [resolve('-x'), { words: ['ls', '-l'], root: undefined }],
        args.join(' '),
      )
    }
    const { filter, target } = parse('--exclude', '-x', '--exclude', '--y', 'true', '--reads')
    assert.deepEqual(target, { words: ['true', '--reads'], root: undefined })
    const left = ['-x', '--y', 'z'].filter((name) => filter(Buffer.from(resolve(name))))
    assert.deepEqual(left, ['z'])
  })

  it('takes a process instead of a command', () => {
    assert.deepEqual(parse('--pid', '42').target, { pid: 42 })
  })

  it('takes a flag that is given twice as given', () => {
    const { summary, reads, zero } = parse('-o-', '-s', '-s', '--reads', '--reads', '-0', '-0', 'ls')
    assert.deepEqual([summary, reads, zero], [true, true, true])
  })

  it('takes a path of --mount as seen from where the command begins', () => {
    const mountsOf = (...args: string[]) => parse(...args).mounts.map(String)
    assert.deepEqual(mountsOf('--mount', 'a', 'ls'), [resolve('a')])
    assert.deepEqual(mountsOf('--root', '/usr', '--mount', 'a', 'ls'), ['/a'])
    assert.deepEqual(mountsOf('--pid', '42', '--mount', 'a'), ['/a'])
  })

  it('shows the version, whatever comes with it', () => {
    assert.deepEqual(parseCommandLine(['--summary', '--version']), { version: true })
  })

  it('prints a completion script, whatever comes with it', () => {
    assert.deepEqual(parseCommandLine(['--completion', 'zsh']), { completion: 'zsh' })
  })

  it('shows help, which says what it is for and how to begin', () => {
    const answer = parseCommandLine(['--help'])
    assert.ok('help' in answer)
    for (const part of [
      'Runs a command and lists the files that it reads',
      'sudo notifier --',
      '--summary',
      'Examples:',
    ])
      assert.ok(answer.help.includes(part), part)
  })

  const refused: [args: string[], pattern: RegExp][] = [
    [[], /name a command/],
    [['--wat', 'ls'], /no option --wat/],
    [['--sumary', 'ls'], /no option --sumary: did you mean --summary\?/],
    [['--format', 'xml', 'ls'], /xml.*text/],
    [['-0', '--format', 'json', 'ls'], /-0 is for --format paths/],
    [['--summary', '--format', 'record', 'ls'], /--output/],
    [['--summary', '-0', 'ls'], /--output/],
    [['--output', '', 'ls'], /name a file/],
    [['--pid', '1', 'ls'], /either --pid or a command/],
    [['--pid', 'x'], /number of a process/],
    [['--pid', '0'], /number of a process/],
    [['--pid', '1', '--root', '/'], /--root is for a command/],
    [['--root', '/no/such', 'ls'], /--root \/no\/such: ENOENT/],
    [['--root', '/etc/passwd', 'ls'], /not a directory/],
    [['--on-loss', 'cry', 'ls'], /--on-loss "cry": write one of fail, warn/],
    [['--format', 'text', '--format', 'json', 'ls'], /--format may be given only once/],
    [['-o', 'a', '-o', 'b', 'ls'], /--output may be given only once/],
    [['--pid', '1', '--pid', '2'], /--pid may be given only once/],
    [['--format', '-o', 'x', 'ls'], /--format needs a value/],
    [
      ['--mount', '-o', 'x', 'ls'],
      /^--mount needs a value, and -o looks like an option: write --mount=-o where/,
    ],
    [['-so', '--version'], /^-o needs a value, and --version looks like an option: write --output=--version/],
    [['--output', '--', 'ls'], /^--output needs a value/],
    [['-s', '--output'], /^--output needs a value/],
    [['--summary=1', 'ls'], /^--summary is on or off, not "1": write --summary or --summary=false/],
    [['-summary', 'ls'], /^there is no option -summary: did you mean --summary\?/],
    [['--pid', '-1'], /^--pid -1: write the number of a process/],
    [['--mount=', 'ls'], /--mount needs a value/],
    [['--include', '', 'ls'], /--include needs a value/],
    [['--exclude', '/[z-a]', 'ls'], /--exclude \/\[z-a\]: this is no pattern/],
    [['--summary', '--socket', 'x'], /--socket runs and lists nothing/],
    [['--fd', '3', 'ls'], /--fd runs and lists nothing/],
  ]
  for (const [args, pattern] of refused) {
    it(`refuses ${args.join(' ') || 'nothing'}`, () => {
      assert.throws(() => parseCommandLine(args), { code: 'USAGE', exitCode: 2, message: pattern })
    })
  }
})
