/** What is recorded is what was read, in that order; and it is what the new layers begin with. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import type { Inspection } from '../../optimizer/inspect.ts'
import type { ConversionResult } from '../../optimizer/result.ts'
import { type AccessRecord, parseRecord, type RecordEntry } from '../../shared/record.ts'
import { busyboxFiles } from '../helpers/busybox-image.ts'
import { skipWithoutContainerd } from '../helpers/containerd.ts'
import { OptimizerBench } from '../helpers/optimizer-bench.ts'
import { skipWithoutFanotify } from '../helpers/privilege.ts'
import { probePath } from '../helpers/probe.ts'
import { putRawImage } from '../helpers/raw-image.ts'
import { dir, file, link, symlink, type TarItem, tarOf } from '../helpers/tar-language.ts'

const NON_UTF8 = Buffer.from('names/caf\xe9', 'latin1')
const NEWLINE = 'names/two\nlines'
const SECRETS = ['hush-of-the-image', 'hush-of-the-command-line']

/** A program with a loader and libraries, as gcc makes it on this machine. */
interface DynamicProgram {
  program: Buffer
  /** Loader first, then libraries in the order in which the loader opens them; absolute paths. */
  needed: string[]
}

function dynamicProgram(): DynamicProgram {
  const folder = mkdtempSync(join(tmpdir(), 'optimize-record-'))
  try {
    const path = join(folder, 'dynamic')
    const source = 'int main(void) { return 0; }\n'
    execFileSync('gcc', ['-x', 'c', '-', '-o', path, '-Wl,--no-as-needed', '-lm'], { input: source })
    const words = execFileSync('ldd', [path], { encoding: 'utf8' }).match(/\/\S+/g) ?? []
    const isLoader = (word: string) => /\/ld[-.]/.test(word)
    const needed = [...words.filter(isLoader), ...words.filter((word) => !isLoader(word))]
    return { program: readFileSync(path), needed }
  } finally {
    rmSync(folder, { recursive: true })
  }
}

const inImage = (path: string) => path.replace(/^\//, '')
const program = { mode: 0o755 }

/** Layers, lowest first; layers 1 and 2 are the same bytes. */
function layersOf({ program: bytes, needed }: DynamicProgram): TarItem[][] {
  const twice = [dir('twice/'), file('twice/read', 'read from the upper one'), file('twice/unread', 'x')]
  const folders = new Set(needed.flatMap((path) => foldersOf(inImage(path))))
  return [
    [
      file('unread-at-first', 'x'),
      dir('bin/'),
      file('bin/busybox', busyboxFiles()['bin/busybox'] as Buffer, program),
      symlink('bin/sh', 'busybox'),
      dir('data/'),
      file('data/unread', 'x'),
      file('data/overridden', 'lower'),
      file('data/removed', 'lower'),
      file('data/original', 'one file, two names'),
      link('data/hard', 'data/original'),
      file('data/from-script', 'a line\n'),
      file('data/last', 'read at the very end'),
      dir('etc/'),
      file('etc/passwd', 'root:x:0:0:root:/root:/bin/sh\n'),
      dir('real/'),
      dir('real/folder/'),
      file('real/folder/file', 'behind two links'),
      dir('links/'),
      symlink('links/one', '../real'),
      symlink('links/two', 'one/folder'),
      ...[...folders].map((path) => dir(`${path}/`)),
      ...needed.map((path) => file(inImage(path), readFileSync(path), program)),
      file('probe', readFileSync(probePath()), program),
    ],
    twice,
    twice,
    [
      dir('data/'),
      file('data/.wh.removed'),
      file('data/unread-too', 'x'),
      file('data/overridden', 'upper'),
      file('data/mapped', 'only its memory is read'),
      dir('names/'),
      file(NON_UTF8, 'x'),
      symlink('names/short', NON_UTF8.subarray('names/'.length)),
      file(NEWLINE, 'x'),
      dir('scripts/'),
      file('scripts/run', '#!/bin/sh\nread line < /data/from-script\n', program),
      file('scripts/dynamic', bytes, program),
    ],
  ]
}

function foldersOf(path: string): string[] {
  const parts = path.split('/').slice(0, -1)
  return parts.map((_, index) => parts.slice(0, index + 1).join('/'))
}

const WORKLOAD = [
  '/probe',
  ...['exec', '/scripts/dynamic'],
  ...['exec', '/scripts/run'],
  ...['map', '/data/mapped'],
  ...['open', '/links/two/file'],
  ...['read', '/data/hard'],
  ...['read', '/data/overridden'],
  ...['read', '/twice/read'],
  ...['read', '/names/short'],
  ...['read', `/${NEWLINE}`],
  // None of these is a file of the image that is read.
  ...['append', '/data/made', 'read', '/data/made', 'mkdir', '/made', 'append', '/made/file'],
  ...['append', '/dev/shm/file', 'read', '/dev/shm/file'],
  ...['read', '/proc/self/status', 'read', '/proc/self/exe', 'open', '/dev/null'],
  ...['list', '/data', 'stat', '/data/unread', 'opath', '/data/unread'],
  // Once more: it has its place already.
  ...['read', '/data/mapped'],
  ...['read', '/data/last'],
]

/** Layer and path of what the workload reads, in order. */
function expectedReads(needed: string[]): [layer: number, path: string][] {
  return [
    [0, 'probe'],
    [3, 'scripts/dynamic'],
    ...needed.map((path): [number, string] => [0, inImage(path)]),
    [3, 'scripts/run'],
    [0, 'bin/busybox'],
    [0, 'data/from-script'],
    [3, 'data/mapped'],
    [0, 'real/folder/file'],
    [0, 'data/hard'],
    [3, 'data/overridden'],
    [2, 'twice/read'],
    [3, NON_UTF8.toString('latin1')],
    [3, NEWLINE],
    [0, 'data/last'],
  ]
}

describe('a record', { skip: skipWithoutContainerd() || skipWithoutFanotify() }, () => {
  let bench: OptimizerBench
  let dynamic: DynamicProgram
  let layers: TarItem[][]
  let result: ConversionResult
  let recordText: string
  let record: AccessRecord
  before(async () => {
    dynamic = dynamicProgram()
    layers = layersOf(dynamic)
    bench = await OptimizerBench.open()
    await bench.withStores((stores) =>
      putRawImage(
        stores,
        'source',
        layers.map((items) => ({ tar: tarOf(items) })),
        { config: { config: { Env: ['PATH=/bin', `SECRET=${SECRETS[0]}`], WorkingDir: '/data' } } },
      ),
    )
    const folder = mkdtempSync(join(tmpdir(), 'optimize-record-'))
    try {
      const path = join(folder, 'record.jsonl')
      const entrypoint = ['--entrypoint', JSON.stringify(WORKLOAD)]
      const rest = ['--env', `TOKEN=${SECRETS[1]}`, '--record-out', path]
      result = await bench.optimize('source', 'target', [...entrypoint, ...rest])
      recordText = readFileSync(path, 'utf8')
      record = parseRecord(recordText)
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
  after(() => bench?.close())

  const keyOf = ({ layerIndex, path }: RecordEntry) => [layerIndex, path.toString('latin1')]
  const runEntries = () => record.entries.filter(({ phase }) => phase === 'run')

  it('names exactly what was read, with its layer, in the order of first access', () => {
    assert.deepEqual(runEntries().map(keyOf), expectedReads(dynamic.needed))
  })

  it('names nothing else that was read before the start but files of the image', () => {
    for (const entry of record.entries.filter(({ phase }) => phase === 'create')) {
      const names = layers[entry.layerIndex as number]?.map(({ name }) => name.toString('latin1'))
      assert.ok(names?.includes(entry.path.toString('latin1')), `${entry.path} is not in its layer`)
    }
  })

  it('gives every entry the image, the layer and what was done', async () => {
    const { manifest } = await bench.documents('source')
    const { target } = await bench.stores.images.get('source')
    for (const entry of runEntries()) {
      assert.equal(entry.manifestDigest, target.digest)
      assert.equal(entry.layerDigest, manifest.layers[entry.layerIndex as number]?.digest)
      assert.ok(entry.pid > 0)
    }
    const kindsOf = (path: string) => runEntries().find((entry) => String(entry.path) === path)?.kinds
    for (const path of ['probe', 'scripts/dynamic', 'scripts/run', 'bin/busybox'])
      assert.ok(kindsOf(path)?.includes('exec'), `${path} was run`)
    assert.ok(kindsOf('data/mapped')?.includes('open'))
    assert.equal(kindsOf('data/mapped')?.includes('exec'), false)
    const times = runEntries().map((entry) => entry.firstAccessMicroseconds)
    assert.deepEqual(
      times,
      times.toSorted((a, b) => a - b),
    )
    const sizes = new Map(layers.flat().map(({ name, content }) => [name.toString('latin1'), content.length]))
    for (const entry of runEntries().filter(({ path }) => String(path) !== 'data/hard'))
      assert.equal(entry.sizeBytes, sizes.get(entry.path.toString('latin1')), String(entry.path))
  })

  it('says in its header how it was made and that nothing is missing', () => {
    const { header } = record
    assert.equal(header.schemaVersion, 1)
    assert.equal(header.image?.reference, 'source')
    assert.deepEqual(header.mark.kind, 'filesystem')
    assert.equal(header.complete, true)
    assert.deepEqual(header.incompleteReasons, [])
    assert.equal(header.exitStatus, 0)
    assert.equal(header.counters.received, header.counters.sent)
    assert.equal(header.counters.received, record.entries.length + header.counters.outsideLayers)
    assert.deepEqual(header.workload.args, WORKLOAD)
    assert.equal(header.workload.cwd, '/data')
  })

  it('holds names of environment variables and none of their values', () => {
    assert.deepEqual(new Set(record.header.workload.envNames), new Set(['PATH', 'SECRET', 'TOKEN']))
    for (const secret of SECRETS) assert.equal(recordText.includes(secret), false)
  })

  it('is what the layers of the target begin with; the rest follows in source order', async () => {
    const create = record.entries.filter(({ phase }) => phase === 'create')
    for (const [index, items] of layers.entries()) {
      const inLayer = items.map(({ name }) => name.toString('latin1').replace(/\/$/, ''))
      const read = [...create, ...runEntries()].filter(({ layerIndex }) => layerIndex === index)
      const first = new Set<string>()
      for (const name of read.map(({ path }) => path.toString('latin1'))) {
        const target = name === 'data/hard' ? ['data', 'data/original'] : []
        const place = [...target, ...foldersOf(name), name].filter((path) => inLayer.includes(path))
        for (const path of place) first.add(path)
      }
      const landmark = first.size > 0 ? '.prefetch.landmark' : '.no.prefetch.landmark'
      const rest = inLayer.filter((name) => !first.has(name))
      // A TOC is JSON: a byte that is no UTF-8 is the replacement character in it.
      const expected = [...first, landmark, ...rest].map((name) => Buffer.from(name, 'latin1').toString())
      assert.deepEqual(await tocNames(index), expected, `layer ${index}`)
    }
  })

  it('puts files first in the one of two identical layers that provides them', async () => {
    assert.equal(result.layers[1]?.source.digest, result.layers[2]?.source.digest)
    assert.equal(result.layers[1]?.prioritizedFiles, 0)
    assert.equal(result.layers[2]?.prioritizedFiles, 1)
    assert.notEqual(result.layers[1]?.target.digest, result.layers[2]?.target.digest)
    assert.equal((await tocNames(1))[0], '.no.prefetch.landmark')
  })

  it('is summed up in the result, and inspect agrees with that', async () => {
    const { stdout } = await bench.run(['inspect', 'target', '--json'])
    const inspection: Inspection = JSON.parse(stdout)
    assert.equal(inspection.digest, result.target.digest)
    assert.deepEqual(
      inspection.layers.map(({ digest, sizeBytes, toc }) => ({
        digest,
        sizeBytes,
        tocDigest: toc?.digest,
        annotated: toc?.annotatedDigest,
        entries: toc?.entries,
        hotZoneBytes: toc?.hotZoneBytes,
        prioritizedBytes: toc?.prioritizedBytes,
      })),
      result.layers.map(({ target, entries, hotZoneBytes, prioritizedBytes }) => ({
        digest: target.digest,
        sizeBytes: target.sizeBytes,
        tocDigest: target.tocDigest,
        annotated: target.tocDigest,
        // And the landmark.
        entries: entries + 1,
        hotZoneBytes,
        prioritizedBytes,
      })),
    )
    const files = new Set(record.entries.map((entry) => JSON.stringify(keyOf(entry)))).size
    assert.equal(result.record?.files, files)
    assert.deepEqual(result.record?.counters, record.header.counters)
    assert.equal(result.record?.exitStatus, 0)
  })

  /** Names of a target layer's TOC, each file once, folders without their slash. */
  async function tocNames(layer: number): Promise<string[]> {
    const { stdout } = await bench.run(['inspect', 'target', '--toc', String(layer)])
    const { entries } = JSON.parse(stdout) as { entries: { name: string; type: string }[] }
    return entries.filter(({ type }) => type !== 'chunk').map(({ name }) => name.replace(/\/$/, ''))
  }
})
