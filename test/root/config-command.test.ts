/** Options in a file, with a real image: written from it, checked, and run, several workloads one after the other. */
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, before, describe, it } from 'node:test'
import { checkFile } from '../../optimizer/config/check.ts'
import { writeInitialFile } from '../../optimizer/config/initial-file.ts'
import { parseRecord } from '../../shared/record.ts'
import { busyboxFiles, putImage } from '../helpers/busybox-image.ts'
import { skipWithoutContainerd } from '../helpers/containerd.ts'
import { OptimizerBench } from '../helpers/optimizer-bench.ts'
import { skipWithoutFanotify } from '../helpers/privilege.ts'

describe('options in a file', { skip: skipWithoutContainerd() || skipWithoutFanotify() }, () => {
  let bench: OptimizerBench
  let folder: string
  const path = (name: string) => join(folder, name)

  before(async () => {
    bench = await OptimizerBench.open()
    folder = mkdtempSync(join(tmpdir(), 'config-command-'))
    const layers = [busyboxFiles(), { 'data/': '', 'data/a': 'a\n', 'data/b': 'b\n', 'data/c': 'c\n' }]
    await bench.withStores((stores) =>
      putImage(stores, 'source', layers, {
        Env: ['PATH=/bin', 'QUOTED="a: b"'],
        Entrypoint: ['/bin/cat'],
        Cmd: ['/data/a'],
        ExposedPorts: { '80/tcp': {}, '53/udp': {} },
      }),
    )
  })
  after(async () => {
    await bench?.close()
    rmSync(folder, { recursive: true })
  })
  afterEach(async () => assert.deepEqual(await bench.leftovers(), []))

  it('begin with what the image says of itself, which is fit as it is', async () => {
    const written = await bench.run(['config', 'init', 'source', '--out', path('source.yaml')])
    assert.deepEqual([written.code, written.stdout], [0, ''], written.stderr)
    const text = readFileSync(path('source.yaml'), 'utf8')
    for (const line of [
      'source: "source"',
      '# entrypoint: ["/bin/cat"]',
      '# args: ["/data/a"]',
      '#   "QUOTED": "\\"a: b\\""',
      '  - "localhost:80"',
    ])
      assert.ok(text.includes(`\n${line}\n`), `${line} is not in\n${text}`)
    const { options } = await checkFile(path('source.yaml'), undefined)
    assert.deepEqual(options, ['source', 'ready-tcp', 'settle'])
    // What is commented out is a file, too.
    writeFileSync(path('all.yaml'), text.replaceAll(/^# (?=(?:entrypoint|args|env|user|cwd| {2}").*:)/gm, ''))
    const all = await checkFile(path('all.yaml'), undefined)
    assert.deepEqual(
      ['entrypoint', 'args', 'env', 'user', 'cwd'].filter((key) => !all.options.includes(key)),
      [],
    )
    assert.throws(() => writeInitialFile(path('source.yaml'), text), { code: 'OUTPUT_FAILED' })
  })

  it('run several workloads, each on the image as it is, and make one record of them', async () => {
    writeFileSync(
      path('several.yaml'),
      `source: source
log-format: json
workloads:
  - name: shell
    entrypoint: [/bin/sh, -c, 'cat /data/b; echo new > /data/new; rm /data/a']
    args: []
  - name: image
    env: {MARK: here}
`,
    )
    const done = await bench.run(['record', '--config', path('several.yaml')])
    assert.equal(done.code, 0, done.stderr)
    const { header, entries } = parseRecord(done.stdout)
    assert.deepEqual(
      header.workloads?.map(({ name, args, exitStatus }) => ({ name, args, exitStatus })),
      [
        {
          name: 'shell',
          args: ['/bin/sh', '-c', 'cat /data/b; echo new > /data/new; rm /data/a'],
          exitStatus: 0,
        },
        { name: 'image', args: ['/bin/cat', '/data/a'], exitStatus: 0 },
      ],
    )
    assert.deepEqual(
      entries.filter(({ phase }) => phase === 'run').map(({ path, workload }) => `${workload} ${path}`),
      ['shell bin/busybox', 'shell data/b', 'image data/a'],
    )
    const lines = done.stderr
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
    assert.deepEqual(
      lines.flatMap(({ workload }) => workload ?? []),
      ['shell', 'image'],
    )
    assert.deepEqual(
      lines.filter(({ stream }) => stream === 'stdout').map(({ line }) => line),
      ['b', 'a'],
    )
  })

  it('end with the workload that fails, by its name', async () => {
    writeFileSync(
      path('failing.yaml'),
      'source: source\nworkloads:\n  - {name: bad, args: [/data/none]}\n  - {name: never}\n',
    )
    const { code, stdout, stderr } = await bench.run(['record', '--config', path('failing.yaml')])
    assert.deepEqual([code, stdout], [4, ''])
    assert.doesNotMatch(stderr, /never/)
    assert.match(stderr, /optimizer: workload bad: .*\[WORKLOAD_FAILED\]\n$/s)
  })
})
