/** A task's stdin, with a program at the FIFO's other end in place of the runtime's shim. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough, Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { TaskInput } from '../../optimizer/workload/task-input.ts'

describe("a task's input", () => {
  let folder: string
  let input: TaskInput
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'task-input-'))
    input = new TaskInput(folder)
  })
  afterEach(() => {
    input.close()
    assert.equal(existsSync(input.path), false)
    rmSync(folder, { recursive: true })
  })

  /** The shim has its end open before the workload starts: it says so. */
  async function reader(command: string) {
    const child = spawn('sh', ['-c', `exec <"$1"; echo open >&2; ${command}`, 'sh', input.path], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    await once(child.stderr, 'readable')
    return child
  }

  const begin = (source: Readable) => new Promise<void>((resolve) => input.begin(source, resolve))

  it('is all that the source has, and then its end', async () => {
    const bytes = Buffer.alloc(300_000, 'line\n')
    const child = await reader('cat')
    const [seen] = await Promise.all([buffer(child.stdout), begin(Readable.from([bytes, bytes]))])
    assert.ok(seen.equals(Buffer.concat([bytes, bytes])))
  })

  it('ends at once where the source has ended before', async () => {
    const source = Readable.from([])
    source.resume()
    await once(source, 'end')
    const child = await reader('cat')
    const [seen] = await Promise.all([buffer(child.stdout), begin(source)])
    assert.equal(seen.length, 0)
  })

  it('is no failure when the workload reads no more: what is left stays in the source', async () => {
    const child = await reader('head -c 1 >/dev/null')
    const source = new PassThrough()
    const ended = begin(source)
    source.write('x')
    await once(child, 'exit')
    // The pipe has no reader now: the second write is told so.
    for (let count = 0; count < 2; count++) source.write('more')
    await ended
    assert.equal(source.destroyed, false)
  })
})
