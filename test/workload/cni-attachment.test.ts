/** The protocol with network plugins, with scripts in their place that note what they were told. */
import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { attach, detach, isAttached } from '../../optimizer/workload/cni/attachment.ts'
import { resolverText } from '../../optimizer/workload/cni/resolver.ts'

/** Notes its call and answers with the content of a file of its name, and that file's status. */
const PLUGIN = `#!/bin/sh
name=$(basename "$0"); here=$(dirname "$0")/..
{ echo "$CNI_COMMAND $name $CNI_CONTAINERID $CNI_NETNS $CNI_IFNAME $CNI_PATH"; cat; echo; } >>"$here/calls"
cat "$here/$name.$CNI_COMMAND" 2>/dev/null
[ ! -e "$here/$name.$CNI_COMMAND.fails" ]
`

describe('a network namespace', () => {
  let folder: string
  let run: string
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'cni-attachment-'))
    run = join(folder, 'run')
    for (const path of [run, join(folder, 'bin')]) mkdirSync(path)
    for (const name of ['first', 'second']) {
      writeFileSync(join(folder, 'bin', name), PLUGIN)
      chmodSync(join(folder, 'bin', name), 0o755)
    }
    answer('first.ADD', { cniVersion: '1.0.0', ips: [{ address: '10.1.0.2/24' }] })
  })
  afterEach(() => rmSync(folder, { recursive: true }))

  const answer = (name: string, value: unknown) => writeFileSync(join(folder, name), JSON.stringify(value))
  const options = (cniVersion = '1.0.0') => ({
    network: {
      name: 'net',
      cniVersion,
      file: 'net.conflist',
      plugins: [{ type: 'first', mtu: 9000 }, { type: 'second' }],
    },
    pluginDirs: [join(folder, 'bin')],
  })
  const attachIt = (cniVersion?: string) => attach(run, 'id', '/ns', options(cniVersion))

  /** What each call was told, since the last time. */
  function calls(): { words: string; config: Record<string, unknown> }[] {
    const lines = readFileSync(join(folder, 'calls'), 'utf8').trim().split('\n')
    rmSync(join(folder, 'calls'))
    const pairs = lines.flatMap((line, index) => (index % 2 === 0 ? [[line, lines[index + 1] ?? '']] : []))
    return pairs.map(([words = '', config = '']) => ({ words, config: JSON.parse(config) }))
  }
  const order = () => calls().map(({ words }) => words.split(' ').slice(0, 2).join(' '))

  it('is attached and detached out of the reach of Ctrl-C, which a terminal sends to its whole process group', async () => {
    const group = "cut -d' ' -f5 /proc/$$/stat"
    writeFileSync(join(folder, 'bin', 'second'), `#!/bin/sh\necho $$ $(${group}) >>'${folder}/groups'\n`)
    await attachIt()
    await detach(run)
    const leaders = readFileSync(join(folder, 'groups'), 'utf8').trim().split('\n')
    assert.equal(leaders.length, 2)
    for (const line of leaders) assert.match(line, /^(\d+) \1$/)
  })

  it('is attached by every plugin in order, each told what the one before has answered', async () => {
    const result = await attachIt()
    // The second answered nothing: what was there stands.
    assert.deepEqual(result.ips, [{ address: '10.1.0.2/24' }])
    const [first, second] = calls()
    assert.equal(first?.words, `ADD first id /ns eth0 ${join(folder, 'bin')}`)
    assert.deepEqual(first?.config, { type: 'first', mtu: 9000, name: 'net', cniVersion: '1.0.0' })
    assert.match(second?.words ?? '', /^ADD second /)
    assert.deepEqual(second?.config, { type: 'second', name: 'net', cniVersion: '1.0.0', prevResult: result })
  })

  it('is detached in the reverse order, with the result, and once', async () => {
    const result = await attachIt()
    calls()
    assert.equal(await detach(run), true)
    const detaching = calls()
    assert.deepEqual(
      detaching.map(({ words }) => words.split(' ')[1]),
      ['second', 'first'],
    )
    for (const { words, config } of detaching) {
      assert.match(words, /^DEL /)
      assert.deepEqual(config.prevResult, result)
    }
    assert.deepEqual(readdirSync(run), [])
    assert.equal(await detach(run), false)
  })

  it('of version 0.3 is detached without the result, which that does not know', async () => {
    await attachIt('0.3.1')
    calls()
    await detach(run)
    assert.ok(calls().every(({ config }) => config.prevResult === undefined))
  })

  it('that a plugin refuses is an error in the words of the plugin, and can be detached', async () => {
    answer('second.ADD', {
      cniVersion: '1.0.0',
      code: 7,
      msg: 'no address is free',
      details: 'of 10.1.0.0/24',
    })
    writeFileSync(join(folder, 'second.ADD.fails'), '')
    await assert.rejects(attachIt(), {
      code: 'CNI_FAILED',
      exitCode: 3,
      message: 'the network "net": its plugin "second" failed at ADD: no address is free (of 10.1.0.0/24)',
    })
    calls()
    await detach(run)
    assert.deepEqual(order(), ['DEL second', 'DEL first'])
  })

  it('is detached from the others when one fails, which can be tried again', async () => {
    await attachIt()
    calls()
    const fails = join(folder, 'second.DEL.fails')
    writeFileSync(fails, '')
    await assert.rejects(detach(run), /"second" failed at DEL: it ended with 1/)
    assert.deepEqual(order(), ['DEL second', 'DEL first'])
    assert.equal(isAttached(run), true)
    rmSync(fails)
    assert.equal(await detach(run), true)
    assert.equal(isAttached(run), false)
  })
})

describe('the name servers of a network', () => {
  it('are what its result says', () => {
    const dns = {
      nameservers: ['10.1.0.1', 'fd00::1'],
      domain: 'a.test',
      search: ['b.test', 'c.test'],
      options: ['ndots:2'],
    }
    assert.equal(
      resolverText({ dns }),
      'nameserver 10.1.0.1\nnameserver fd00::1\ndomain a.test\nsearch b.test c.test\noptions ndots:2\n',
    )
  })

  it('are not known where it names none', () => {
    for (const result of [{}, { dns: {} }, { dns: { search: ['a.test'] } }, { dns: 7 }])
      assert.equal(resolverText(result), null)
  })
})
