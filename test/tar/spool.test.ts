import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { Spool } from '../../optimizer/tar/spool.ts'
import { SpoolSpace, type SpoolSpaceOptions } from '../../optimizer/tar/spool-space.ts'

const MIB = 1024 ** 2
const NOWHERE = '/no/such/folder'

describe('The uncompressed bytes of a layer', () => {
  let folder: string
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'spool-'))
  })
  after(() => rmSync(folder, { recursive: true }))

  const create = (space: SpoolSpace) => Spool.create(space.newPath(), space)
  const spaceOf = (options: Partial<SpoolSpaceOptions> = {}) => new SpoolSpace({ folder, ...options })

  async function range(spool: Spool, offset: number, bytes: number): Promise<string> {
    const target = Buffer.alloc(bytes)
    await spool.readInto(target, offset)
    return target.toString()
  }

  it('stay in memory when they are few: no file is made', async () => {
    const spool = await create(spaceOf({ folder: NOWHERE }))
    await spool.append(Buffer.from('hello '))
    await spool.append(Buffer.from('world'))
    await spool.flush()
    assert.equal(await range(spool, 4, 5), 'o wor')
    await assert.rejects(range(spool, 4, 8), { code: 'SPOOL_FAILED', message: /shorter/ })
    await spool.close()
  })

  it('move to a file without a name when they outgrow it', async () => {
    const spool = await create(spaceOf())
    const told: number[] = []
    for (let part = 0; part < 5; part++)
      await spool.append(Buffer.alloc(300_000, String(part)), () => void told.push(part))
    await spool.flush()
    assert.deepEqual(told, [0, 1, 2, 3, 4])
    assert.equal(spool.sizeBytes, 1_500_000)
    for (let part = 1; part < 5; part++)
      assert.equal(await range(spool, part * 300_000 - 2, 4), `${part - 1}`.repeat(2) + `${part}`.repeat(2))
    assert.deepEqual(readdirSync(folder), [])
    await spool.close()
  })

  it('share the memory for small ones, and give it back', async () => {
    const space = spaceOf({ memoryBytesMax: MIB, folder: NOWHERE })
    const first = await create(space)
    await assert.rejects(create(space), { code: 'SPOOL_FAILED' })
    await first.close()
    await first.close()
    const again = await create(space)
    await assert.rejects(create(space), { code: 'SPOOL_FAILED' })
    await again.close()
  })

  it('take no more disk together than is allowed, and give it back', async () => {
    const space = spaceOf({ diskBytesMax: 1000, memoryBytesMax: 0 })
    const [first, second] = [await create(space), await create(space)]
    await first.append(Buffer.alloc(600))
    await assert.rejects(second.append(Buffer.alloc(600)), { code: 'SPOOL_LIMIT', exitCode: 3 })
    await first.close()
    await second.append(Buffer.alloc(600))
    await second.close()
  })
})
