import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { promisify } from 'node:util'
import { makeFifo } from '../../native/mounts.ts'
import { discardOutput, outputPaths, TaskOutput } from '../../optimizer/workload/task-output.ts'

describe("a task's output", () => {
  let folder: string
  let lines: string[]
  let output: TaskOutput
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'output-'))
    lines = []
    output = new TaskOutput(folder, (stream, line) => void lines.push(`${stream} ${line}`))
  })
  afterEach(() => {
    output.close()
    assert.deepEqual(readdirSync(folder), [])
    rmSync(folder, { recursive: true })
  })

  /** Runs a shell script with both FIFOs as its output, as the shim has them. */
  const write = (script: string) =>
    promisify(execFile)('sh', ['-c', `exec >"$1" 2>"$2"; ${script}`, 'sh', ...Object.values(output.paths)])

  it('comes line by line, from both streams', async () => {
    await write('echo one; echo two >&2; printf "three\\r\\nrest"')
    await output.drained()
    assert.deepEqual(
      lines.filter((line) => line.startsWith('stdout')),
      ['stdout one', 'stdout three', 'stdout rest'],
    )
    assert.deepEqual(
      lines.filter((line) => line.startsWith('stderr')),
      ['stderr two'],
    )
  })

  it('keeps the last lines for an error', async () => {
    await write('seq 1 100')
    await output.drained()
    assert.deepEqual(output.lastLines, ['91', '92', '93', '94', '95', '96', '97', '98', '99', '100'])
  })

  it('cuts a line without an end into pieces', async () => {
    await write('head -c 20000 /dev/zero | tr "\\0" x')
    await output.drained()
    assert.equal(lines.length, 3)
    assert.equal(lines.join('').replaceAll('stdout ', '').length, 20000)
  })

  it('is read whole, however much it is', async () => {
    await write('seq 1 50000')
    await output.drained()
    assert.equal(lines.length, 50_000)
    assert.equal(lines.at(-1), 'stdout 50000')
  })

  it('may never come: nobody waits for it longer than a moment', async () => {
    await output.drained()
    assert.deepEqual(lines, [])
  })

  it('of a dead run is read away so that its writer can end', async () => {
    const dead = mkdtempSync(join(tmpdir(), 'output-dead-'))
    const paths = Object.values(outputPaths(dead))
    for (const path of paths) makeFifo(path, 0o600)
    const writer = spawn('sh', ['-c', 'exec >"$1" 2>"$2"; seq 1 100000', 'sh', ...paths])
    const stop = discardOutput(dead)
    const [status] = await once(writer, 'exit')
    stop()
    assert.equal(status, 0)
    rmSync(dead, { recursive: true })
  })

  it('of a run that made no FIFOs needs no reading', () => {
    discardOutput(join(folder, 'absent'))()
  })
})
