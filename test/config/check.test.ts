/** `optimizer config check`: what a file is fit for, and everything that is wrong with it. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { optimizeCommand } from '../../optimizer/commands/optimize.ts'
import { checkFile, type FileCheck } from '../../optimizer/config/check.ts'
import { fileOptions } from '../../optimizer/config/options-file.ts'
import { fileScheme } from '../../optimizer/config/run-with-file.ts'
import { CodedError } from '../../shared/errors.ts'
import { run } from '../helpers/in-process.ts'

const PROGRAM = fileURLToPath(new URL('../../../bin/optimizer', import.meta.url))

let folder: string
before(() => {
  folder = mkdtempSync(join(tmpdir(), 'hotlayer-config-check-'))
  chmodSync(folder, 0o755)
})
after(() => rmSync(folder, { recursive: true }))

function file(text: string): string {
  const path = join(folder, 'run.yaml')
  writeFileSync(path, text)
  return path
}

/** Each mistake as `line:column option code`. */
async function found(text: string, command?: FileCheck['command']): Promise<string[]> {
  const { mistakes } = await checkFile(file(text), command)
  return mistakes.map(({ line, column, option, code }) => `${line}:${column} ${option} ${code}`)
}

describe('a file without a mistake', () => {
  it('is told what it is fit for', async () => {
    const path = file('source: a:1\ntarget: b:1\nperiod: 5s\nfast: true\n')
    assert.deepEqual(await checkFile(path, undefined), {
      file: path,
      command: 'optimize',
      options: ['source', 'target', 'period', 'fast'],
      workloads: [],
      mistakes: [],
    })
    assert.deepEqual((await checkFile(path, 'record')).options, ['source', 'period'])
    assert.deepEqual((await checkFile(path, 'replay')).options, ['source', 'period'])
    const { stdout, failure } = await run('config', 'check', path)
    assert.deepEqual([stdout, failure], [`${path}: fit for optimizer optimize (4 options)\n`, null])
    assert.deepEqual(await found('target: "oci:"\n', 'replay'), ['1:9 source IMAGE_ARGUMENT_INVALID'])
  })

  it('needs no image, which the command line may name', async () => {
    assert.equal((await checkFile(file('period: 5s\n'), undefined)).command, 'record')
    assert.equal((await checkFile(file('period: 5s\n'), 'optimize')).command, 'optimize')
    assert.deepEqual(await found('period: 5s\nattach-record: true\n'), [])
  })

  it('may be checked by whoever cannot run it: what is not in containerd needs root for that', () => {
    const path = file('source: oci:folder\nperiod: 5s\n')
    const nobody = process.getuid?.() === 0 ? { uid: 65534, gid: 65534 } : {}
    const { status, stdout, stderr } = spawnSync(process.execPath, [PROGRAM, 'config', 'check', path], {
      encoding: 'utf8',
      ...nobody,
    })
    assert.deepEqual([status, stdout, stderr], [0, `${path}: fit for optimizer record (2 options)\n`, ''])
  })
})

describe('all mistakes of a file', () => {
  it('are told at once, each with its place: keys, forms, values, and what contradicts', async () => {
    const text = `source: ./folder
perid: 5s
period: never
net-host: maybe
env: [A=1, =2, B=3, =4]
mark: mout
memory: 1q
wait-on-signal: true
settle: 1s
ready-tcp:
  - localhost:80
  - {a: b}
  - db:5432
`
    assert.deepEqual(await found(text), [
      '1:9 source IMAGE_ARGUMENT_INVALID',
      '2:1 perid CONFIG_INVALID',
      '3:9 period OPTION_INVALID',
      '4:11 net-host CONFIG_INVALID',
      '5:12 env OPTION_INVALID',
      '5:21 env OPTION_INVALID',
      '6:7 mark CONFIG_INVALID',
      '7:9 memory OPTION_INVALID',
      '8:17 wait-on-signal OPTIONS_CONTRADICT',
      '12:5 ready-tcp CONFIG_INVALID',
      '13:5 ready-tcp OPTION_INVALID',
    ])
  })

  it('are those of each workload, by its name, and what is said for all is told once', async () => {
    const text = `source: a
memory: 3q
workloads:
  - {name: a, period: never, agrs: [x]}
  - {name: "b c"}
  - {name: d, period: 5s, record-out: x, cpus: many}
  - {name: d, env: [=1]}
`
    const { mistakes } = await checkFile(file(text), undefined)
    assert.deepEqual(
      mistakes.map(({ line, option, workload }) => [line, option, workload]),
      [
        [2, 'memory', null],
        [4, 'period', 'a'],
        [4, 'agrs', 'a'],
        [5, null, null],
        [6, 'record-out', 'd'],
        [6, 'cpus', 'd'],
        [7, null, null],
        [7, 'env', 'd'],
      ],
    )
  })

  it('of syntax are told alone: what is behind them may mean something else', async () => {
    assert.deepEqual(
      (await found('perid: 5s\ncwd: "/srv" x\nuser: [a\n')).every((line) =>
        line.endsWith(' null CONFIG_INVALID'),
      ),
      true,
    )
    assert.deepEqual(await found('period: 5s\nperiod: never\ncwd: *nowhere\nmemory: 3q\n'), [
      '2:1 null CONFIG_INVALID',
      '2:9 period OPTION_INVALID',
      '3:6 null CONFIG_INVALID',
      '4:9 memory OPTION_INVALID',
    ])
  })

  it('may be keys of any characters, and names that every object of JavaScript has', async () => {
    assert.deepEqual(await found('"c++": 1\n"a(": 1\nconstructor: 1\ntoString: 1\nperiod: never\n'), [
      '1:1 c++ CONFIG_INVALID',
      '2:1 a( CONFIG_INVALID',
      '3:1 constructor CONFIG_INVALID',
      '4:1 toString CONFIG_INVALID',
      '5:9 period OPTION_INVALID',
    ])
  })

  it('do not have among them what is wrong only because another value is', async () => {
    assert.deepEqual(await found('entrypoint: "sh"\nkeep-cmd: true\n'), ['1:13 entrypoint OPTION_INVALID'])
    assert.deepEqual(await found('target: b\nzstdchunked: maybe\nzstdchunked-chunk-size: 1MiB\n'), [
      '2:14 zstdchunked CONFIG_INVALID',
    ])
  })

  it('have a line, whichever options are wrong', async () => {
    const { command, ofWorkload } = fileScheme(optimizeCommand)
    const options = fileOptions(command).flatMap(({ name, kind }) => (kind === 'flag' ? [] : name))
    const ofOne = options.filter((name) => ofWorkload.includes(name))
    const junk = '"\\x01: no/such=thing, ,"'
    const ofAll = options.map((name) => `${name}: ${junk}`)
    for (const lines of [
      ['target: b', ...ofAll],
      ['target: b', 'workloads:', '- name: a', ...ofOne.map((name) => `  ${name}: ${junk}`)],
    ]) {
      const { mistakes } = await checkFile(file(lines.join('\n')), undefined)
      for (const { line, option, message } of mistakes) {
        const text = lines[(line ?? 0) - 1]?.trim() ?? ''
        assert.equal(text.split(':')[0], option, message)
      }
      const found = new Set(mistakes.map(({ option }) => option))
      for (const option of ['period', 'memory', 'mount', 'ready-tcp', 'device', 'security-opt', 'ulimit'])
        assert.ok(found.has(option), option)
    }
  })

  it('are a list on stdout; stderr and exit code say that there are some', async () => {
    const path = file('perid: 5s\nperiod: never\n')
    const { stdout, failure } = await run('config', 'check', path)
    assert.deepEqual(stdout.trimEnd().split('\n'), [
      `${path}:1:1: there is no option perid: did you mean period? [CONFIG_INVALID]`,
      `${path}:2:9: --period "never": write a time such as 10s, 500ms or 2m (a bare number is seconds), more than 0 and at most 24 days [OPTION_INVALID]`,
    ])
    assert.ok(failure instanceof CodedError)
    assert.deepEqual(
      [failure.message, failure.code, failure.exitCode],
      [`${path} is not fit for optimizer record: 2 mistakes`, 'CONFIG_INVALID', 2],
    )
  })

  it('are listed for programs, too, with code and exit code as a run has them', async () => {
    const missing = join(folder, 'missing')
    const path = file(`env-file: ${missing}\n`)
    const { stdout, failure } = await run('config', 'check', path, '--json')
    const { schemaVersion, mistakes } = JSON.parse(stdout)
    assert.equal(schemaVersion, 1)
    const [{ message, ...rest }, ...others] = mistakes
    assert.match(message, /^--env-file: cannot read/)
    assert.deepEqual(
      [rest, others],
      [{ line: 1, column: 11, option: 'env-file', workload: null, code: 'FILE_UNREADABLE', exitCode: 3 }, []],
    )
    assert.ok(failure instanceof CodedError)
    assert.deepEqual([failure.code, failure.exitCode], ['FILE_UNREADABLE', 3])
    assert.deepEqual(
      JSON.parse((await run('config', 'check', file('period: 5s\n'), '--json')).stdout).mistakes,
      [],
    )
  })

  it('of an empty file are one', async () => {
    assert.deepEqual(await found('# nothing\n'), ['1:1 null CONFIG_INVALID'])
  })
})
