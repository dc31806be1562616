/** `npm start` as a newcomer runs it, to its end and interrupted. */
import assert from 'node:assert/strict'
import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import type { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { after, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { skipWithoutContainerd } from '../helpers/containerd.ts'

const START = fileURLToPath(new URL('../../bin/start.js', import.meta.url))

describe('npm start', { skip: skipWithoutContainerd() }, () => {
  // Short: the path of containerd's socket must fit below it.
  let folder: string
  before(() => {
    folder = mkdtempSync('/tmp/hs-')
  })
  after(() => rmSync(folder, { recursive: true, force: true }))

  const start = () =>
    spawn(process.execPath, [START], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, TMPDIR: folder },
    })

  it('optimizes the sample, runs the result, reports both and leaves nothing', async () => {
    const { status, stdout, stderr } = await finished(start())
    assert.equal(status, 0, stderr)
    const rows = stdout.split('\n').filter((line) => /^(Debian|Python|web app|all) .*MiB/.test(line))
    assert.deepEqual(
      rows.map((line) => line.split(/ {2,}/)[0]),
      ['Debian', 'Python', 'web app', 'all'],
    )
    for (const row of rows)
      assert.match(row, / [1-9]\d* files /, 'something of each layer is moved to its front')
    assert.match(stdout, /the app read \d+\.\d % of the image/)
    assert.match(stdout, /answered with the same page as the original/)
    assert.match(stdout, /runc ran the image from an OCI layout, .* it read [1-9]\d* files/)
    // The user's own cache gets no layers, and need not be where an overlay can be.
    assert.match(stderr, /running: optimizer optimize oci:.* --runner runc --cache-dir \/tmp\/hs-\S+/)
    assert.match(stdout, /ctr image pull .*optimizer optimize .*ctr image push/s)
    assertNothingLeft(folder)
  })

  it('does so without containerd where there is none, by runc and OCI layouts', async () => {
    const commands = join(folder, 'commands')
    mkdirSync(commands)
    for (const path of (process.env.PATH ?? '').split(delimiter)) linkCommands(path, commands)
    const child = spawn(process.execPath, [START], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, TMPDIR: folder, PATH: commands },
    })
    const { status, stdout, stderr } = await finished(child)
    rmSync(commands, { recursive: true })
    assert.equal(status, 0, stderr)
    assert.match(stderr, /there is no containerd on this machine/)
    assert.match(stdout, /the app read \d+\.\d % of the image/)
    assert.match(stdout, /unpacked and run again it answered, too, .* the same file system/)
    assertNothingLeft(folder)
  })

  // At every stage the optimizer itself is interrupted in test/faults/interruption.test.ts; while containerd runs the image,
  // test/root/web-server.test.ts.
  it('interrupted while the optimizer runs ends with 130, without a report, and leaves nothing', async () => {
    const child = start()
    let said = ''
    const interrupt = (text: string) => {
      said += text
      if (!said.includes('record: ')) return
      child.stderr.off('data', interrupt)
      child.kill('SIGINT')
    }
    child.stderr.setEncoding('utf8').on('data', interrupt)
    const { status, stdout, stderr } = await finished(child)
    assert.deepEqual({ status, stdout }, { status: 130, stdout: '' }, stderr)
    assert.match(stderr, /interrupted by SIGINT/)
    assertNothingLeft(folder)
  })
})

async function finished(
  child: ChildProcessByStdio<null, Readable, Readable>,
): Promise<{ status: number | null; stdout: string; stderr: string }> {
  const stderr: string[] = []
  child.stderr.on('data', (said: Buffer | string) => stderr.push(said.toString()))
  const [stdout, [status]] = await Promise.all([text(child.stdout), once(child, 'close')])
  return { status: status as number | null, stdout, stderr: stderr.join('') }
}

/** All but containerd's; what is there already stays. */
function linkCommands(from: string, to: string): void {
  for (const name of existsSync(from) ? readdirSync(from) : [])
    if (!/^(?:containerd|ctr)/.test(name) && !existsSync(join(to, name)))
      symlinkSync(join(from, name), join(to, name))
}

/** No file in the temporary folder, no process that knows it, no mount of what is in it. */
function assertNothingLeft(folder: string): void {
  assert.deepEqual(readdirSync(folder), [])
  assert.deepEqual(processesNaming(folder), [])
  assert.deepEqual(mountsNaming(folder), [])
}

function processesNaming(text: string): string[] {
  return readdirSync('/proc').flatMap((pid) => {
    if (!/^\d+$/.test(pid)) return []
    try {
      const command = readFileSync(join('/proc', pid, 'cmdline'), 'utf8').replaceAll('\0', ' ')
      return command.includes(text) ? [command] : []
    } catch {
      return []
    }
  })
}

/** Mounts below the folder, and overlays of layers below it. */
function mountsNaming(text: string): string[] {
  return readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .filter((line) => line.includes(text))
}
