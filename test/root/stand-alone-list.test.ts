import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { parseRecord } from '../../shared/record.ts'
import { Overlay } from '../helpers/overlay.ts'
import { skipWithoutFanotify } from '../helpers/privilege.ts'
import { probePath, RunningProbe } from '../helpers/probe.ts'
import { jsonLines, runNotifier, runShell, startNotifier } from '../helpers/stand-alone.ts'

interface Line {
  path: string
  pathBase64?: string
  kinds: string[]
  command: string | null
  pid: number
  sizeBytes: number
  elapsedMicroseconds: number
}

describe('notifier -- COMMAND lists', { skip: skipWithoutFanotify() }, () => {
  const probe = probePath()
  let folder: string

  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'notifier-list-'))
    for (const name of ['a', 'b', 'c', 'never']) writeFileSync(join(folder, name), name)
  })
  after(() => rmSync(folder, { recursive: true }))

  function at(...names: string[]): string[] {
    return names.map((name) => join(folder, name))
  }

  async function paths(words: string[], options: string[] = []): Promise<string[]> {
    const { stdout, status, stderr } = await runNotifier(['-0', '-o', '-', ...options, '--', ...words])
    assert.deepEqual([status, stderr], [0, ''])
    return stdout.split('\0').slice(0, -1)
  }

  it('each file once, in order of first access, and nothing else', async () => {
    const [a = '', b = '', c = ''] = at('a', 'b', 'c')
    const verbs = ['read', b, 'open', a, 'map', c, 'read', b, 'stat', join(folder, 'never')]
    assert.deepEqual(await paths([probe, ...verbs]), [probe, b, a, c])
  })

  it('what the processes that it starts read', async () => {
    // The list is on stdout, where they print nothing.
    const [a = '', b = ''] = at('a', 'b')
    const list = await paths([
      '/bin/sh',
      '-c',
      `cat ${a} | cat >/dev/null; (exec cat ${b}) >/dev/null & wait`,
    ])
    assert.ok(list.includes(a) && list.includes(b), list.join('\n'))
    assert.ok(list.some((path) => path.endsWith('/cat')))
  })

  it('a file that others have read before, and not what others read meanwhile', async () => {
    const [a = '', b = ''] = at('a', 'b')
    readFileSync(a)
    const { child, ended } = startNotifier(
      ['-0', '-o', join(folder, 'list'), '--', probe, 'read', a, 'ready', 'read', a],
      {
        stdio: ['pipe', 'pipe', 'pipe'],
      },
    )
    await new Promise((resolve) => child.stdout?.once('readable', resolve))
    readFileSync(b)
    child.stdin?.end('go on\n')
    assert.equal((await ended).status, 0)
    assert.deepEqual(readFileSync(join(folder, 'list'), 'utf8').split('\0'), [probe, a, ''])
  })

  it('all of 20,000 files', async () => {
    const names = Array.from({ length: 20_000 }, (_, number) => `/many/${number}`)
    const overlay = new Overlay([Object.fromEntries(names.map((name) => [name.slice(1), '']))])
    try {
      const list = await paths(['/probe', 'burst', '/many', '20000'], ['--root', overlay.merged])
      assert.deepEqual(list, ['/probe', ...names])
    } finally {
      overlay.remove()
    }
  })

  it('names byte for byte, and readable in text', async () => {
    const script = `cd ${folder}; for name in 'new\nline' 't\tab' "no$(printf '\\377')utf8" 'gone (deleted)' 'back\\slash'; do
      echo x >"$name"; done; $NODE $NOTIFIER -f FORMAT -o - -- ${probe} read 'new\nline' read 't\tab' \
      read "no$(printf '\\377')utf8" read 'gone (deleted)' read 'back\\slash'`
    const names = ['new\nline', 't\tab', 'no\xffutf8', 'gone (deleted)', 'back\\slash']
    const json = await runShell(script.replace('FORMAT', 'json'))
    const exact = jsonLines<Line>(json.stdout, 'access').map(({ path, pathBase64 }) =>
      pathBase64 === undefined ? path : Buffer.from(pathBase64, 'base64').toString('latin1'),
    )
    assert.deepEqual(exact, [probe, ...names.map((name) => join(folder, name))])
    const { stdout } = await runShell(script.replace('FORMAT', 'text'))
    const shown = stdout.split('\n').map((line) => line.slice(line.indexOf(folder) + folder.length + 1))
    assert.deepEqual(shown.slice(1, -1), [
      'new\\nline',
      't\\tab',
      'no\\xffutf8',
      'gone (deleted)',
      'back\\\\slash',
    ])
    const zero = await runShell(script.replace('-f FORMAT', '-0'))
    assert.deepEqual(
      zero.stdout.split('\0').slice(1, -1),
      names.map((name) => join(folder, name)),
    )
  })

  it('who read it, how and when, in text and in JSON', async () => {
    const [a = ''] = at('a')
    const { stdout, stderr } = await runNotifier(['-f', 'json', '-o', '-', '--', probe, 'read', a])
    assert.equal(stderr, '')
    const [first, second] = jsonLines<Line>(stdout, 'access') as [Line, Line]
    const [start] = jsonLines<{ pid: number; args: string[]; schemaVersion: number }>(stdout, 'start')
    assert.deepEqual([start?.args, start?.schemaVersion], [[probe, 'read', a], 1])
    assert.deepEqual([first.path, first.kinds, first.pid], [probe, ['open', 'exec'], start?.pid])
    assert.deepEqual([second.path, second.kinds, second.sizeBytes], [a, ['open'], 1])
    // A process that has ended before its event is read has no name any more.
    assert.match(first.command ?? 'probe-ended', /^probe-/)
    assert.ok(first.elapsedMicroseconds > 0 && second.elapsedMicroseconds >= first.elapsedMicroseconds)
    const [end] = jsonLines<{ exitStatus: number; files: number; complete: boolean }>(stdout, 'end')
    assert.deepEqual([end?.exitStatus, end?.files, end?.complete], [0, 2, true])
    const text = await runNotifier(['--', probe, 'read', a])
    const pattern =
      / +\d+\.\d{6} {2}(exec|open) {2}(?:probe-\S+|\?)\[\d+\] +\d+(\.\d)? [KM]?i?B {2}(\/\S+)\n/g
    assert.deepEqual(
      [...text.stderr.matchAll(pattern)].map((match) => [match[1], match[3]]),
      [
        ['exec', probe],
        ['open', a],
      ],
    )
  })

  it('with --reads, which files were read and which only opened or mapped', async () => {
    const [a = '', b = '', c = ''] = at('a', 'b', 'c')
    const words = [probe, 'read', a, 'open', b, 'map', c]
    const { stdout } = await runNotifier(['--reads', '-f', 'json', '-o', '-', '--', ...words])
    const kinds = new Map<string, string[]>()
    for (const line of jsonLines<Line>(stdout, 'access'))
      kinds.set(line.path, [...new Set([...(kinds.get(line.path) ?? []), ...line.kinds])].sort())
    assert.deepEqual(
      [a, b, c].map((path) => kinds.get(path)),
      [['open', 'read'], ['open'], ['open']],
    )
  })

  it('what passes --include and --exclude, and what lies on the mounts of --mount', async () => {
    const [a = '', b = '', c = ''] = at('a', 'b', 'c')
    const words = [probe, 'read', a, 'read', b, 'read', c]
    assert.deepEqual(await paths(words, ['--include', `${folder}/**`, '--exclude', 'b']), [a, c])
    assert.deepEqual(await paths(words, ['--include', '[bc]']), [b, c])
    const overlay = new Overlay([{ inside: 'x' }])
    try {
      const inside = join(overlay.merged, 'inside')
      assert.deepEqual(await paths([...words, 'read', inside], ['--mount', overlay.merged]), [inside])
      assert.deepEqual(await paths([...words, 'read', inside]), [probe, a, b, c, inside])
    } finally {
      overlay.remove()
    }
  })

  it('as a tree of directories with counts and bytes', async () => {
    const words = [probe, 'read', ...at('a'), 'read', ...at('b')]
    const { stderr } = await runNotifier(['-f', 'tree', '--include', `${folder}/*`, '--', ...words])
    const name = folder.slice(1)
    assert.match(stderr, new RegExp(`^/ .* 2 files +2 B\\n.*${name} +2 files +2 B\\n$`, 's'))
  })

  it('as a record of our own, without an image', async () => {
    const [a = ''] = at('a')
    const file = join(folder, 'record')
    await runNotifier(['-f', 'record', '-o', file, '--', probe, 'read', a])
    const { header, entries } = parseRecord(readFileSync(file, 'utf8'))
    assert.deepEqual([header.image, header.complete, header.exitStatus], [null, true, 0])
    assert.deepEqual(header.workload.args, [probe, 'read', a])
    assert.deepEqual(
      entries.map((entry) => [`/${entry.path}`, entry.kinds, entry.layerIndex]),
      [
        [probe, ['open', 'exec'], null],
        [a, ['open'], null],
      ],
    )
  })

  it('paths inside of --root', async () => {
    const overlay = new Overlay([{ 'etc/x': 'x' }])
    try {
      assert.deepEqual(await paths(['/probe', 'read', '/etc/x'], ['--root', overlay.merged]), [
        '/probe',
        '/etc/x',
      ])
    } finally {
      overlay.remove()
    }
  })

  it('paths inside of a --root that is no mount point', async () => {
    await runShell(
      `mkdir -p ${folder}/root/etc && cp ${probe} ${folder}/root/probe && echo x >${folder}/root/etc/x`,
    )
    const list = await paths(['/probe', 'read', '/etc/x'], ['--root', join(folder, 'root')])
    assert.deepEqual(list, ['/probe', '/etc/x'])
  })

  it('what a container reads, given any process of it', async () => {
    const overlay = new Overlay([{ a: 'a', b: 'b' }])
    const pivot = ['newns', 'pivot', overlay.merged]
    const inside = new RunningProbe([
      ...pivot,
      'read',
      '/a',
      'ready',
      'read',
      '/b',
      'exec',
      '/probe',
      'ready',
    ])
    try {
      assert.equal(await inside.line(), 'ready')
      const { child, ended } = startNotifier(['--pid', String(inside.pid), '-f', 'json', '-o', '-'])
      // The line "start" comes when the marks stand.
      await new Promise((resolve) => child.stdout?.once('readable', resolve))
      inside.say('go on')
      assert.equal(await inside.line(), 'ready')
      inside.say('go on')
      await inside.end()
      const { status, stdout } = await ended
      assert.equal(status, 0)
      assert.deepEqual(
        jsonLines<Line>(stdout, 'access').map((line) => line.path),
        ['/b', '/probe'],
      )
    } finally {
      inside.child.kill('SIGKILL')
      await inside.end()
      overlay.remove()
    }
  })
})
