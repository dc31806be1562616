/** Options from a file: what they mean, and how a mistake is told. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { runCommandLine } from '../../optimizer/command-line.ts'
import type { Arguments, NamedArguments } from '../../optimizer/commands/command.ts'
import { optimizeCommand, optimizeRequest } from '../../optimizer/commands/optimize.ts'
import { recordRequest } from '../../optimizer/commands/record.ts'
import { replayRequest } from '../../optimizer/commands/replay.ts'
import { fileOptions, naturalForm, readOptions } from '../../optimizer/config/options-file.ts'
import { fileScheme } from '../../optimizer/config/run-with-file.ts'
import type { CodedError } from '../../shared/errors.ts'
import type { OptionFact } from '../../shared/program-facts.ts'

let folder: string
before(() => {
  folder = mkdtempSync(join(tmpdir(), 'hotlayer-config-'))
})
after(() => rmSync(folder, { recursive: true }))

function file(text: string, name = 'run.yaml'): string {
  const path = join(folder, name)
  writeFileSync(path, text)
  return path
}

/** What a command is handed, by file and command line. */
async function given(text: string, ...args: string[]): Promise<Arguments> {
  let taken: Arguments = {}
  const [command = 'record', ...others] = args
  await runCommandLine([command, '--config', file(text), ...others], async (_command, argv) => {
    taken = argv
  })
  return taken
}

const values = (text: string) => readOptions(text, 'run.yaml', fileScheme(optimizeCommand)).values

describe('a file of options', () => {
  it('says what the command line would', async () => {
    const argv = await given(
      `source: docker.io/library/nginx:1
args: [nginx, -g, "daemon off;"]
entrypoint: []
env: {A: 1, B: , C: yes, D: "x=y"}
wait-on-line: ready
ready-exec: [curl, -f, http://localhost]
period: 90
user: 0
net-host: true
`,
    )
    const { source, workload } = recordRequest(argv)
    assert.deepEqual(
      [source, workload.args, workload.entrypoint, workload.env, workload.waitOnLine, workload.readyExec],
      [
        { kind: 'containerd', name: 'docker.io/library/nginx:1' },
        ['nginx', '-g', 'daemon off;'],
        [],
        ['A=1', 'B', 'C=yes', 'D=x=y'],
        ['ready'],
        [['curl', '-f', 'http://localhost']],
      ],
    )
    assert.deepEqual([workload.periodSeconds, workload.user, workload.netHost], [90, '0', true])
  })

  it('goes behind the command line, option by option', async () => {
    const text = 'source: a:1\nenv: [A=1, B=2]\nperiod: 5s\nnet-host: true\n'
    const { source, env, period } = await given(text, 'record', 'b:1', '--env', 'C=3', '--period=9s')
    assert.deepEqual([source, env, period], ['b:1', ['C=3'], '9s'])
    assert.equal((await given(text, 'record', '--net-host=false'))['net-host'], false)
    assert.deepEqual((await given(text, 'record', '-e', 'C=3')).env, ['C=3'])
  })

  it('serves two commands: what the other takes is left alone', async () => {
    const text = 'source: a:1\ntarget: b:1\nfast: true\nperiod: 5s\n'
    assert.equal((await given(text, 'record')).fast, undefined)
    const { target, output, workload } = optimizeRequest(await given(text, 'optimize'))
    assert.deepEqual(
      [target, output.conversion.format.kind, workload?.periodSeconds],
      [{ kind: 'containerd', name: 'b:1' }, 'estargz', 5],
    )
  })

  it('names for a replay what an optimization has made, and not the record that this was made by', async () => {
    const text = 'source: a:1\ntarget: b:1\nfast: true\nperiod: 5s\nrecord-out: a.jsonl\nmin-hit: 95%\n'
    const { recording } = replayRequest(await given(text, 'replay'))
    assert.deepEqual(
      [recording.source, recording.workload.periodSeconds, recording.recording.recordOut],
      [{ kind: 'containerd', name: 'b:1' }, 5, null],
    )
    assert.equal((await given(text, 'replay', 'c:1')).source, 'c:1')
    assert.equal((await given('source: b:1\n', 'replay')).source, 'b:1')
    assert.equal((await given(text, 'replay'))['min-hit'], '95%')
    assert.equal((await given(text, 'optimize'))['min-hit'], undefined)
    assert.equal((await given(text, 'replay', '--record-out', 'b.jsonl'))['record-out'], 'b.jsonl')
  })

  it('may be JSON, with tabs as well', () => {
    assert.deepEqual(values('{\n\t"source": "a:1",\n\t"env": ["A=1"]\n}\n'), { source: 'a:1', env: ['A=1'] })
  })

  it('may be written as the command line is', () => {
    assert.deepEqual(values(`args: '["a","b"]'\nready-exec: '["a"]'\nenv: A=1\n`), {
      args: '["a","b"]',
      'ready-exec': ['["a"]'],
      env: ['A=1'],
    })
  })

  it('has one command as a list of words, and several as a list of lists', () => {
    assert.deepEqual(values('ready-exec: [a, b]'), { 'ready-exec': ['["a","b"]'] })
    assert.deepEqual(values('ready-exec: [[a, b], [c]]'), { 'ready-exec': ['["a","b"]', '["c"]'] })
    assert.deepEqual(values(`ready-exec: ['["a"]', '["c"]']`), { 'ready-exec': ['["a"]', '["c"]'] })
  })

  it('keeps numbers as they are written', () => {
    assert.deepEqual(values('user: 010\nperiod: 1.50'), { user: '010', period: '1.50' })
  })

  it('may use anchors', () => {
    assert.deepEqual(values('wait-on-line: &text [ready]\nwait-on-regex: *text\n'), {
      'wait-on-line': ['ready'],
      'wait-on-regex': ['ready'],
    })
  })

  it('may be empty', () => {
    assert.deepEqual([values(''), values('# nothing\n'), values('{}')], [{}, {}, {}])
  })
})

describe('a mistake in a file of options', () => {
  const mistakes: [text: string, message: string | RegExp][] = [
    ['source: a\nperid: 5s\n', 'run.yaml:2:1: there is no option perid: did you mean period?'],
    ['readyTcp: localhost:80\n', 'run.yaml:1:1: there is no option readyTcp: did you mean ready-tcp?'],
    ['record_out: x\n', 'run.yaml:1:1: there is no option record_out: did you mean record-out?'],
    ['e: [A=1]\n', 'run.yaml:1:1: there is no option e: write env'],
    ['qqqqqq: 1\n', 'run.yaml:1:1: there is no option qqqqqq'],
    ['config: other.yaml\n', 'run.yaml:1:1: config is for the command line alone'],
    ['source: a\nnet-host: maybe\n', 'run.yaml:2:11: net-host must be true or false'],
    ['period: true\n', 'run.yaml:1:9: period must be a text ("true" in quotes is one)'],
    ['cwd:\n', 'run.yaml:1:5: cwd must be a text'],
    ['args: {a: b}\n', 'run.yaml:1:7: args must be a list of words'],
    ['wait-on-line: [a, {b: c}]\n', 'run.yaml:1:19: wait-on-line must be a text, or a list of them'],
    ['mark: mout\n', 'run.yaml:1:7: mark must be one of auto, filesystem, mount: did you mean mount?'],
    ['- a\n- b\n', 'run.yaml:1:1: the file must be a map of options'],
    ['period: 5s\nperiod: 6s\n', /^run\.yaml:2:1: map keys must be unique/],
    ['period: "5s\n', /^run\.yaml:\d+:\d+: /],
    ['{"period": 5,,}', /^run\.yaml:1:\d+: /],
    ['cwd: *nowhere\n', /^run\.yaml:1:6: .*nowhere/],
    ['args: &all [a, *all]\n', 'run.yaml:1:16: *all stands within what it stands for'],
    ['workloads: []\n', /^run\.yaml:1:12: workloads must be a list/],
    ['workloads:\n  - args: [a]\n', /^run\.yaml:2:5: a workload needs a name/],
    ['workloads:\n  - {name: a}\n  - {name: a}\n', 'run.yaml:3:5: there are two workloads called a'],
    [
      'workloads:\n  - {name: a, record-out: x}\n',
      'run.yaml:2:15: record-out is for all workloads: write it beside workloads',
    ],
    [
      'workloads:\n  - {name: a, agrs: [x]}\n',
      'run.yaml:2:15: a workload has no option agrs: did you mean args?',
    ],
  ]
  for (const [text, message] of mistakes)
    it(`is told with its place: ${JSON.stringify(text)}`, () => {
      assert.throws(
        () => values(text),
        (error: CodedError) => {
          if (typeof message === 'string') assert.equal(error.message, message)
          else assert.match(error.message, message)
          assert.deepEqual([error.code, error.exitCode], ['CONFIG_INVALID', 2])
          return true
        },
      )
    })

  it('of a value that only the parser of the option knows is told with its place, too', async () => {
    const text = 'source: a\nperiod:   never\n'
    const parse = async (...args: string[]) => {
      await runCommandLine(['record', '--config', file(text), ...args], async (_command, argv) => {
        recordRequest(argv)
      })
    }
    await assert.rejects(parse(), (error: CodedError) => {
      assert.match(error.message, /run\.yaml:2:11: --period "never": write a time/)
      assert.deepEqual([error.code, error.exitCode], ['OPTION_INVALID', 2])
      return true
    })
    await parse('--period', '5s')
    await assert.rejects(parse('--period', 'x'), (error: CodedError) => {
      assert.match(error.message, /^--period "x": write a time/)
      return true
    })
  })

  it('of one workload, or of what this machine lacks, is told with its place', async () => {
    const refused = async (text: string, expected: object) => {
      const parse = runCommandLine(['record', '--config', file(text)], async (_command, argv) => {
        recordRequest(argv)
      })
      await assert.rejects(parse, expected)
    }
    const missing = join(folder, 'missing')
    await refused(`source: a\nenv-file: ${missing}\n`, {
      ...{ code: 'FILE_UNREADABLE', exitCode: 3 },
      message: /run\.yaml:2:11: --env-file: cannot read/,
    })
    await refused('source: a\nworkloads:\n- {name: a, memory: 64m}\n- {name: b, memory: 3q}\n', {
      ...{ code: 'OPTION_INVALID', exitCode: 2 },
      message: /run\.yaml:4:21: --memory "3q"/,
    })
    // What is said for all is right, what one has for itself is not; of a list it is the second.
    await refused('source: a\nperiod: 5s\nworkloads:\n- {name: a, period: never}\n', {
      message: /run\.yaml:4:21: --period "never"/,
    })
    await refused('source: a\nready-tcp: [localhost:80, localhost]\n', {
      message: /run\.yaml:2:27: --ready-tcp "localhost"/,
    })
    await refused('source: a\ndevice: [/dev/null, example.com/none=0]\n', {
      ...{ code: 'DEVICE_UNKNOWN', exitCode: 3 },
      message: /run\.yaml:2:21: --device example\.com\/none=0: /,
    })
    await refused('source: a\ngpus: "97"\n', {
      ...{ code: 'DEVICE_UNKNOWN', exitCode: 3 },
      message: /run\.yaml:2:7: --gpus 97: .*nvidia\.com\/gpu=97/,
    })
  })

  it('is not made by every option of every command: each takes the form that it is said to have', () => {
    const scheme = fileScheme(optimizeCommand)
    const example = ({ kind, choices }: OptionFact) => (kind === 'flag' ? true : (choices[0] ?? 'text'))
    for (const option of fileOptions(scheme.command)) {
      const { isArray, isMap, isCommaList } = naturalForm(option)
      const forms: unknown[] = [example(option)]
      if (option.kind === 'list' || isCommaList || isArray) forms.push(['one', 'two'])
      if (option.kind === 'list' && isArray) forms.push([['one'], ['two']])
      if (isMap) forms.push({ one: 1, two: null })
      for (const form of forms) values(JSON.stringify({ [option.name]: form }))
    }
  })
})

describe('several workloads in a file', () => {
  const text = `source: a:1
env: {A: 1}
period: 5s
workloads:
  - name: server
    args: [serve]
    ready-tcp: localhost:80
    period: 60s
  - name: job
    args: [work]
    env: {B: 2}
`
  const workloads = async (...args: string[]) =>
    recordRequest(await given(text, 'record', ...args)).workloads.map(({ name, options }) => ({
      name,
      args: options.args,
      env: options.env,
      period: options.periodSeconds,
      ready: options.readyTcp?.length,
    }))

  it('have what is said for all, unless they say otherwise', async () => {
    assert.deepEqual(await workloads(), [
      { name: 'server', args: ['serve'], env: ['A=1'], period: 60, ready: 1 },
      { name: 'job', args: ['work'], env: ['B=2'], period: 5, ready: 0 },
    ])
  })

  it('go behind the command line', async () => {
    assert.deepEqual(
      (await workloads('--period', '7s')).map(({ period }) => period),
      [7, 7],
    )
  })

  it('are handed over by name', async () => {
    const argv = await given(text)
    assert.deepEqual(
      (argv.workloads as NamedArguments[]).map(({ name }) => name),
      ['server', 'job'],
    )
    assert.equal((await given('source: a:1\n')).workloads, undefined)
  })
})
