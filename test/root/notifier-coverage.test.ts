import assert from 'node:assert/strict'
import { linkSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { NotifierProcess } from '../../optimizer/workload/notifier-process.ts'
import { SILENT_LOG } from '../../shared/log.ts'
import { type Counters, KIND, PHASE } from '../../shared/messages.ts'
import { type Files, Overlay } from '../helpers/overlay.ts'
import { skipWithoutFanotify } from '../helpers/privilege.ts'
import { runProbe } from '../helpers/probe.ts'

interface Told {
  /** First accesses in order, as `path kinds`: o open, x exec. */
  run: string[]
  counters: Counters
}

const LETTERS: Record<number, string> = { [KIND.open]: 'o', [KIND.exec]: 'x', [KIND.open | KIND.exec]: 'ox' }

/** What the notifier tells of a workload in a root of `layers`, its kinds OR-ed as a receiver does. */
async function watch(
  layers: Files[],
  verbs: string[],
  prepare?: (root: string, notifier: NotifierProcess) => void,
): Promise<Told> {
  const overlay = new Overlay(layers)
  try {
    const notifier = await NotifierProcess.spawn({ log: SILENT_LOG })
    try {
      await notifier.mark({ kind: 'filesystem', path: Buffer.from(overlay.merged), reason: 'test' })
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
      assert.deepEqual([...kinds][0], ['/probe', KIND.open | KIND.exec])
      return { run: [...kinds].slice(1).map(([path, bits]) => `${path} ${LETTERS[bits]}`), counters }
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
    const { run } = await watch([{ 'usr/lib/x.so.1': '' }], ['read', '/lib/x.so'], (root) => {
      symlinkSync('usr/lib', join(root, 'lib'))
      symlinkSync('x.so.1', join(root, 'usr/lib/x.so'))
    })
    assert.deepEqual(run, ['/usr/lib/x.so.1 o'])
  })

  it('is a group of hard links once, by the name used first', async () => {
    const { run } = await watch([{ one: 'same' }], ['read', '/two', 'read', '/one'], (root) => {
      linkSync(join(root, 'one'), join(root, 'two'))
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
      (_, notifier) => process.kill(notifier.pid, 'SIGSTOP'),
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
