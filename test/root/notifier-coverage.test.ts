import assert from 'node:assert/strict'
import { linkSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { NotifierProcess } from '../../optimizer/workload/notifier-process.ts'
import { SILENT_LOG } from '../../shared/log.ts'
import { type Counters, KIND, PHASE } from '../../shared/messages.ts'
import { type Files, Overlay } from '../helpers/overlay.ts'
import { skipWithoutFanotify } from '../helpers/privilege.ts'
import { RunningProbe, runProbe } from '../helpers/probe.ts'

interface Told {
  /** First accesses in order, as `path kinds`: o open, x exec, r read. */
  run: string[]
  counters: Counters
}

const LETTERS: [number, string][] = [
  [KIND.open, 'o'],
  [KIND.exec, 'x'],
  [KIND.read, 'r'],
]

function letters(kinds: number): string {
  return LETTERS.flatMap(([bit, letter]) => ((kinds & bit) === 0 ? [] : [letter])).join('')
}

/** What the notifier tells of a workload in a root of `layers`, its kinds OR-ed as a receiver does. */
async function watch(
  layers: Files[],
  verbs: string[],
  options: { prepare?: (root: string, notifier: NotifierProcess) => void; reads?: boolean } = {},
): Promise<Told> {
  const { prepare, reads = false } = options
  const overlay = new Overlay(layers)
  try {
    const notifier = await NotifierProcess.spawn({ log: SILENT_LOG })
    try {
      await notifier.mark({ kind: 'filesystem', path: Buffer.from(overlay.merged), reason: 'test', reads })
      await notifier.started()
      prepare?.(overlay.merged, notifier)
      runProbe(verbs, overlay.merged)
      process.kill(notifier.pid, 'SIGCONT')
      const counters = await notifier.flush()
      const kinds = new Map<string, number>()
      for (const access of notifier.accesses) {
        assert.equal(access.phase, PHASE.run)
        const path = overlay.inside(access.path)
        kinds.set(path, (kinds.get(path) ?? 0) | access.kinds)
      }
      await notifier.stop()
      // The probe itself is the first access of every workload.
      assert.deepEqual([...kinds][0], ['/probe', KIND.open | KIND.exec | (reads ? KIND.read : 0)])
      return { run: [...kinds].slice(1).map(([path, bits]) => `${path} ${letters(bits)}`), counters }
    } finally {
      await notifier.kill()
    }
  } finally {
    overlay.remove()
  }
}

describe('what a file system mark on an overlay tells', { skip: skipWithoutFanotify() }, () => {
  it('is each file whose data is used, in order of first access, from whatever layer', async () => {
    const { run } = await watch(
      [
        { 'etc/c': 'c', 'etc/hidden': 'lower', 'usr/bin/': '' },
        { 'etc/a': 'a', 'etc/hidden': 'upper', 'etc/b': 'b', 'never-read': '' },
      ],
      ['read', '/etc/b', 'map', '/etc/a', 'open', '/etc/c', 'read', '/etc/hidden', 'read', '/etc/a'],
    )
    assert.deepEqual(run, ['/etc/b o', '/etc/a o', '/etc/c o', '/etc/hidden o'])
  })

  it('is a script, its interpreter and what the interpreter reads', async () => {
    const { run } = await watch([{ 'bin/script': '#!/probe open\n', data: '' }], ['exec', '/bin/script'])
    // The kernel calls "/probe open /bin/script".
    assert.deepEqual(run, ['/bin/script ox'])
  })

  it('is an exec after an open, and an open after an exec adds nothing', async () => {
    const layers = [{ 'bin/script': '#!/probe stat\n', 'bin/other': '#!/probe stat\n' }]
    const verbs = ['read', '/bin/script', 'exec', '/bin/script', 'exec', '/bin/other', 'read', '/bin/other']
    const { run } = await watch(layers, verbs)
    assert.deepEqual(run, ['/bin/script ox', '/bin/other ox'])
  })

  it('is nothing for what only needs metadata', async () => {
    const { run } = await watch(
      [{ 'dir/a': '', b: '' }],
      ['stat', '/b', 'opath', '/b', 'list', '/dir', 'stat', '/dir/a', 'rename', '/b', '/c'],
    )
    assert.deepEqual(run, [])
  })

  it('is the target of a symlink, by its resolved path', async () => {
    const { run } = await watch([{ 'usr/lib/x.so.1': '' }], ['read', '/lib/x.so'], {
      prepare: (root) => {
        symlinkSync('usr/lib', join(root, 'lib'))
        symlinkSync('x.so.1', join(root, 'usr/lib/x.so'))
      },
    })
    assert.deepEqual(run, ['/usr/lib/x.so.1 o'])
  })

  it('is a group of hard links once, by the name used first', async () => {
    const { run } = await watch([{ one: 'same' }], ['read', '/two', 'read', '/one'], {
      prepare: (root) => linkSync(join(root, 'one'), join(root, 'two')),
    })
    assert.deepEqual(run, ['/two o'])
  })

  it('is a file once, though it is read again, by others, and after a change', async () => {
    const reading = Array.from({ length: 100 }, () => ['read', '/a']).flat()
    const { run, counters } = await watch(
      [{ a: 'a', again: `#!/probe read\n` }],
      [...reading, 'append', '/a', ...reading, 'exec', '/again', 'read', '/a'],
    )
    assert.deepEqual(run, ['/a o', '/again ox'])
    assert.equal(counters.read, counters.sent + counters.merged)
  })

  it('is nothing of another file system mounted inside', async () => {
    const verbs = ['newns', 'tmpfs', '/volume', 'append', '/volume/x', 'read', '/volume/x', 'read', '/a']
    const { run } = await watch([{ 'volume/': '', a: '' }], verbs)
    assert.deepEqual(run, ['/a o'])
  })

  it('is a name byte for byte: newline, no UTF-8, the suffix that the kernel gives to removed files', async () => {
    const names = ['line\nbreak', 'gone (deleted)', ' ', '"quoted"', 'a'.repeat(255)]
    const verbs = names.flatMap((name) => ['read', `/${name}`])
    const { run } = await watch([Object.fromEntries(names.map((name) => [name, '']))], verbs)
    assert.deepEqual(
      run,
      names.map((name) => `/${name} o`),
    )
  })

  it('is a removed or replaced file by the name it had', async () => {
    const { run, counters } = await watch(
      [{ config: '', replaced: '', 'replaced.new': '', 'x (deleted)': '', x: '' }],
      ['read', '/config', 'unlink', '/config', 'read', '/replaced', 'rename', '/replaced.new', '/replaced']
        .concat('read', '/x (deleted)', 'read', '/x', 'unlink', '/x')
        .concat('append', '/made', 'unlink', '/made'),
      // So late a reader that everything has happened.
      { prepare: (_, notifier) => process.kill(notifier.pid, 'SIGSTOP') },
    )
    assert.deepEqual(run, ['/config o', '/replaced o', '/x (deleted) o', '/x o', '/made o'])
    assert.equal(counters.deleted, 4)
  })

  it('is not a file whose path is longer than the kernel tells, which is counted as missing', async () => {
    const name = 'd'.repeat(250)
    const deeper = Array.from({ length: 17 }, () => ['mkdir', name, 'chdir', name]).flat()
    const { run, counters } = await watch([{ a: '' }], [...deeper, 'append', 'f', 'read', '/a'])
    assert.deepEqual(run, ['/a o'])
    assert.equal(counters.unresolved, 1)
  })

  it('is all of 20,000 files read in one go', async () => {
    const files = Object.fromEntries(Array.from({ length: 20_000 }, (_, number) => [`many/${number}`, '']))
    const { run, counters } = await watch([files], ['burst', '/many', '20000'])
    assert.deepEqual(
      run,
      Array.from({ length: 20_000 }, (_, number) => `/many/${number} o`),
    )
    assert.deepEqual([counters.overflows, counters.descriptorErrors, counters.unresolved], [0, 0, 0])
  })
})

describe('what a mark that asks for reads tells', { skip: skipWithoutFanotify() }, () => {
  const reads = true

  it('is which files were read, and which only opened or mapped', async () => {
    const verbs = ['open', '/opened', 'map', '/mapped', 'read', '/a', 'open', '/later', 'read', '/later']
    const { run } = await watch([{ opened: 'o', mapped: 'm', a: 'a', later: 'l' }], verbs, { reads })
    assert.deepEqual(run, ['/opened o', '/mapped o', '/a or', '/later or'])
  })

  it('is a read of what is executed: the kernel reads its head', async () => {
    const { run } = await watch([{ script: '#!/probe open\n', other: '' }], ['exec', '/script'], { reads })
    assert.deepEqual(run, ['/script oxr'])
  })

  it('is no read of an empty file, which has nothing to give', async () => {
    assert.deepEqual((await watch([{ empty: '' }], ['read', '/empty'], { reads })).run, ['/empty o'])
  })

  it('keeps the order of first accesses, whatever is read when', async () => {
    const verbs = ['open', '/c', 'open', '/a', 'read', '/b', 'read', '/a', 'read', '/c']
    const { run } = await watch([{ a: 'a', b: 'b', c: 'c' }], verbs, { reads })
    assert.deepEqual(run, ['/c or', '/a or', '/b or'])
  })

  it('is all of 20,000 files read in one go', async () => {
    const files = Object.fromEntries(Array.from({ length: 20_000 }, (_, number) => [`many/${number}`, 'x']))
    const { run, counters } = await watch([files], ['burst', '/many', '20000'], { reads })
    assert.deepEqual(
      run,
      Array.from({ length: 20_000 }, (_, number) => `/many/${number} or`),
    )
    assert.deepEqual([counters.overflows, counters.descriptorErrors, counters.unresolved], [0, 0, 0])
  })

  it('costs nothing more for a file that came again after it was told as opened and read', async () => {
    const overlay = new Overlay([
      Object.fromEntries(Array.from({ length: 300 }, (_, n) => [`many/${n}`, 'x'])),
    ])
    const notifier = await NotifierProcess.spawn({ log: SILENT_LOG })
    const burst = ['burst', '/many', '300']
    const probe = new RunningProbe([...burst, 'ready', ...burst, ...burst, 'ready'], overlay.merged)
    try {
      await notifier.mark({ kind: 'filesystem', path: Buffer.from(overlay.merged), reason: 'test', reads })
      assert.equal(await probe.line(), 'ready')
      // What was read before the mark stood is read again now: once to be told, once more to be ignored.
      for (const verbs of [burst, burst]) {
        runProbe(verbs, overlay.merged)
        await notifier.flush()
      }
      const before = await notifier.flush()
      probe.say('go on')
      assert.equal(await probe.line(), 'ready')
      assert.equal((await notifier.flush()).read, before.read)
    } finally {
      probe.say('go on')
      await probe.end()
      await notifier.kill()
      overlay.remove()
    }
  })
})
