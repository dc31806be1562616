/** What is known of an unpacked layer without reading it again: right, or nothing. */
import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { digestOf } from '../../optimizer/image/digest.ts'
import {
  CONTENTS_FILE,
  type ContentsEntry,
  readContents,
  writeContents,
} from '../../optimizer/unpack/layer-contents.ts'

const ID = digestOf('the layer')
const NOTHING = Buffer.alloc(0)
const ENTRIES: ContentsEntry[] = [
  { type: 'dir', path: 'bin', linkName: NOTHING },
  { type: 'reg', path: 'bin/sh', linkName: NOTHING },
  { type: 'symlink', path: 'bin/ash', linkName: Buffer.from('sh') },
  { type: 'hardlink', path: 'bin/\xff\x01"\n', linkName: Buffer.from([0xff, 0x0a, 0x80]) },
  { type: 'fifo', path: 'queue', linkName: NOTHING },
  { type: 'char', path: 'null', linkName: NOTHING },
  { type: 'block', path: 'disk', linkName: NOTHING },
]

describe("a layer's contents, kept beside it", () => {
  let folder: string
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'contents-'))
  })
  after(() => rmSync(folder, { recursive: true, force: true }))
  const file = () => join(folder, CONTENTS_FILE)

  it('are read as they were written, whatever bytes names have', () => {
    writeContents(folder, ID, ENTRIES)
    assert.deepEqual(readContents(folder, ID), ENTRIES)
    assert.deepEqual(readdirSync(folder), [CONTENTS_FILE])
    writeContents(folder, ID, [])
    assert.deepEqual(readContents(folder, ID), [])
  })

  it('are not believed where they are of another layer, or absent', () => {
    writeContents(folder, ID, ENTRIES)
    assert.equal(readContents(folder, digestOf('another')), null)
    assert.equal(readContents(join(folder, 'absent'), ID), null)
  })

  it('are not believed where a single byte is another, or the end is missing', () => {
    writeContents(folder, ID, ENTRIES)
    const sound = readFileSync(file())
    for (const at of [0, 24, 30, 100, 120, 170, sound.length - 1]) {
      const damaged = Buffer.from(sound)
      damaged[at] = (damaged[at] as number) ^ 1
      writeFileSync(file(), damaged)
      assert.equal(readContents(folder, ID), null, `byte ${at}`)
    }
    for (const bytes of [0, 1, 60, 140, sound.length - 1]) {
      writeFileSync(file(), sound.subarray(0, bytes))
      assert.equal(readContents(folder, ID), null, `${bytes} bytes`)
    }
  })
})
