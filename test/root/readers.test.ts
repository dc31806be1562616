/** Blobs that we write, read by programs that are not ours: gzip with GNU tar, and the library of lazy snapshotters. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { formatModtime } from '../../optimizer/estargz/toc.ts'
import type { TarEntry } from '../../optimizer/tar/entry.ts'
import {
  buildGoChecker,
  buildLaterGoChecker,
  type CheckedEntry,
  checkBlob,
  skipWithoutGo,
  skipWithoutLaterGo,
} from '../helpers/go-checker.ts'
import { oddLayers } from '../helpers/odd-layers.ts'
import { dir, file, link, symlink, tarOf } from '../helpers/tar-language.ts'
import { type ConvertedTar, convertTar, openTar } from '../helpers/tar-layer.ts'

const CHUNK_BYTES = 4096
const PLAIN = tarOf([
  dir('usr/'),
  file('usr/large', randomBytes(40_000)),
  file('usr/exact', randomBytes(2 * CHUNK_BYTES)),
  file('usr/one', 'x'),
  link('usr/again', 'usr/large'),
  symlink('usr/sym', 'large'),
  file('usr/empty'),
])

const LAYERS = [PLAIN, ...oddLayers({ containerdOnly: true }).map(({ tar }) => tar)]

/** Every third entry, last first. */
async function somePaths(tar: Buffer): Promise<string[]> {
  const layer = await openTar(tar)
  await layer.close()
  return layer.entries.flatMap(({ path }, index) => (index % 3 === 1 ? [path] : [])).reverse()
}

describe('A blob of ours', () => {
  const converted: ConvertedTar[] = []
  let folder: string
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'hotlayer-test-'))
    for (const [index, tar] of LAYERS.entries()) {
      const made = await convertTar(tar, {
        prioritized: await somePaths(tar),
        chunkBytes: CHUNK_BYTES,
        workers: 2,
      })
      writeFileSync(join(folder, `${index}.tar.gz`), made.blob)
      converted.push(made)
    }
  })
  after(() => rmSync(folder, { recursive: true }))

  it('is listed by gzip and GNU tar as every entry of its source, a landmark, and at its end the TOC', async () => {
    for (const [index, tar] of LAYERS.entries()) {
      const path = join(folder, `${index}.tar.gz`)
      const listed = execFileSync(
        'bash',
        ['-o', 'pipefail', '-c', 'gzip -dc "$0" | tar -t --quoting-style=literal', path],
        {
          encoding: 'latin1',
          maxBuffer: 1024 ** 3,
        },
      ).split('\n')
      const layer = await openTar(tar)
      await layer.close()
      const landmark = listed.filter((name) => /^\.(no\.)?prefetch\.landmark$/.test(name))
      assert.equal(landmark.length, 1)
      assert.deepEqual(listed.slice(-2), ['stargz.index.json', ''])
      const names = layer.entries.flatMap(({ name, type }) => {
        const text = name.toString('latin1')
        // GNU tar shows a directory's slash whether the header has it or not; a name may hold a newline.
        return (type === 'dir' && !text.endsWith('/') ? `${text}/` : text).split('\n')
      })
      assert.deepEqual(new Set(listed.slice(0, -2)), new Set([...names, ...landmark]))
      assert.equal(listed.length - 2, names.length + 1)
    }
  })

  describe('read by the Go library', { skip: skipWithoutGo() }, () => {
    let program: string
    before(() => {
      program = buildGoChecker()
    })

    const check = (index: number): CheckedEntry[] =>
      checkBlob(program, join(folder, `${index}.tar.gz`), (converted[index] as ConvertedTar).tocDigest)

    it('has every file of its source with its content, chunk by chunk, and everything else that a TOC tells', async () => {
      for (const [index, tar] of LAYERS.entries()) {
        const found = check(index).filter(({ name }) => !/^\.(no\.)?prefetch\.landmark$/.test(name))
        const expected = await expectedEntries(tar)
        for (const entry of expected) {
          const seen = found.find(({ name }) => name === entry.name)
          assert.ok(seen, `layer ${index}: ${entry.name} is missing`)
          const { chunks, offset, ...facts } = seen
          assert.deepEqual(facts, entry)
          assert.equal(chunks, Math.ceil(entry.size / CHUNK_BYTES))
          assert.equal(offset > 0, entry.size > 0)
        }
        const named = new Set(expected.map(({ name }) => name))
        // Parents that the tar leaves out are made up by the library.
        const others = found.filter(({ name }) => !named.has(name))
        assert.ok(
          others.every(
            ({ name, type }) => type === 'dir' && [...named].some((path) => path.startsWith(`${name}/`)),
          ),
        )
      }
    })

    it('has the content of the prioritized files before the landmark', async () => {
      for (const [index, tar] of LAYERS.entries()) {
        const paths = new Set(await somePaths(tar))
        const found = check(index)
        const landmark = found.find(({ name }) => name === '.prefetch.landmark')
        assert.equal(landmark !== undefined, paths.size > 0)
        for (const { name, offset } of found) {
          if (paths.has(Buffer.from(name).toString('latin1')))
            assert.ok(offset < (landmark?.offset ?? 0), name)
        }
      }
    })

    it('is refused with any other TOC digest, and with a chunk changed', () => {
      assert.throws(
        () => checkBlob(program, join(folder, '0.tar.gz'), `sha256:${'0'.repeat(64)}`),
        /invalid TOC JSON/,
      )
      const { blob, tocDigest, hotZoneBytes } = converted[0] as ConvertedTar
      const broken = Buffer.from(blob)
      const at = hotZoneBytes + 2000
      broken[at] = (broken[at] as number) ^ 0xff
      writeFileSync(join(folder, 'broken'), broken)
      assert.throws(() => checkBlob(program, join(folder, 'broken'), tocDigest))
    })
  })
})

describe('A blob of ours, read by the Go library of a later Debian', { skip: skipWithoutLaterGo() }, () => {
  let program: string
  let folder: string
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'hotlayer-test-'))
    program = buildLaterGoChecker()
  })
  after(() => rmSync(folder, { recursive: true }))

  for (const [what, options] of [
    ['has every file where files share members', { minChunkBytes: 16_384 }],
    ['has every file where its TOC is elsewhere', { externalToc: true }],
    ['has every file where both is so', { externalToc: true, minChunkBytes: 16_384 }],
    ['has every file where it keeps its diff ID', { externalToc: true, keepDiffId: true }],
  ] as const) {
    it(what, async () => {
      const tar = PLAIN
      const blobPath = join(folder, 'blob')
      const tocPath = join(folder, 'toc')
      const prioritized = 'keepDiffId' in options ? [] : await somePaths(tar)
      const made = await convertTar(tar, { chunkBytes: CHUNK_BYTES, prioritized, ...options })
      writeFileSync(blobPath, made.blob)
      writeFileSync(tocPath, made.externalToc?.bytes ?? '')
      const isShared = made.toc.toc.entries.some(({ innerOffset }) => innerOffset !== undefined)
      assert.equal(isShared, 'minChunkBytes' in options)
      const found = checkBlob(program, blobPath, made.tocDigest, tocPath)
      for (const entry of await expectedEntries(tar)) {
        const { chunks: _, offset: _offset, ...facts } = found.find(({ name }) => name === entry.name) ?? {}
        assert.deepEqual(facts, entry)
      }
      const other = `sha256:${'0'.repeat(64)}`
      assert.throws(() => checkBlob(program, blobPath, other, tocPath), /invalid TOC JSON/)
    })
  }
})

type Expected = Omit<CheckedEntry, 'chunks' | 'offset'>

/** What the library should say about a source tar. A hard link is its target under another name. */
async function expectedEntries(tar: Buffer): Promise<Expected[]> {
  const layer = await openTar(tar)
  try {
    const byPath = new Map(layer.entries.map((entry) => [entry.path, entry]))
    const expected: Expected[] = []
    for (const entry of layer.entries) {
      let meant: TarEntry = entry
      while (meant.type === 'hardlink')
        meant = byPath.get(meant.linkPath) ?? assert.fail(`${meant.path} leads nowhere`)
      if (entry.path !== '') expected.push(await expectedEntry(entry.path, meant, layer))
    }
    return expected
  } finally {
    await layer.close()
  }
}

async function expectedEntry(
  path: string,
  entry: TarEntry,
  layer: { read(offset: number, bytes: number): Promise<Buffer> },
): Promise<Expected> {
  const content = Buffer.alloc(entry.sizeBytes)
  let offset = entry.payloadOffset
  for (const run of entry.sparse ?? [{ offset: 0, bytes: entry.payloadBytes }]) {
    ;(await layer.read(offset, run.bytes)).copy(content, run.offset)
    offset += run.bytes
  }
  const xattrs = Object.fromEntries(entry.xattrs.map(({ name, value }) => [name, value.toString('base64')]))
  return {
    name: Buffer.from(path, 'latin1').toString('utf8'),
    type: entry.type,
    size: entry.sizeBytes,
    mode: entry.mode,
    uid: entry.uid,
    gid: entry.gid,
    linkName: entry.type === 'symlink' ? entry.linkName.toString('utf8') : '',
    modtime: Math.floor(Date.parse(formatModtime(entry.mtimeNanoseconds) || '1970-01-01T00:00:00Z') / 1000),
    devMajor: entry.devMajor,
    devMinor: entry.devMinor,
    xattrs: entry.xattrs.length === 0 ? null : xattrs,
    digest: entry.type === 'reg' ? `sha256:${createHash('sha256').update(content).digest('hex')}` : '',
  }
}
