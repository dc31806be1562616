import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { describe, it } from 'node:test'
import { encodeHeader } from '../../optimizer/tar/generate.ts'
import { FLAG } from '../../optimizer/tar/header.ts'
import fc from '../helpers/property.ts'
import { indexTar } from '../helpers/tar-layer.ts'

const EMPTY = Buffer.alloc(0)

describe('A generated header', () => {
  it('of a small file is one ustar block with these bytes', () => {
    const block = encodeHeader({ flag: FLAG.reg, name: Buffer.from('.prefetch.landmark'), sizeBytes: 1 })
    assert.equal(block.length, 512)
    const shown = block.toString('latin1').replaceAll('\0', '.')
    assert.equal(shown.slice(0, 24), '.prefetch.landmark......')
    assert.equal(shown.slice(100, 157), '0000000.0000000.0000000.00000000001.00000000000.012547. 0')
    assert.equal(shown.slice(257, 265), 'ustar.00')
    assert.equal(shown.slice(329, 345), '0000000.0000000.')
  })

  it('says the same when it is read again, whatever the fields', () => {
    fc.assert(
      fc.property(
        fc.record(
          {
            name: fc
              .uint8Array({ minLength: 1, maxLength: 200 })
              .map((bytes) => Buffer.from(bytes.map((byte) => byte || 1))),
            mode: fc.nat({ max: 0o7777 }),
            uid: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
            gid: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
            mtimeNanoseconds: fc.bigInt({ min: -(10n ** 20n), max: 10n ** 20n }),
            userName: fc.constantFrom(
              EMPTY,
              Buffer.from('root'),
              Buffer.from('u'.repeat(40)),
              Buffer.from('jos\u00e9'),
            ),
            groupName: fc.constantFrom(EMPTY, Buffer.from('g'.repeat(31))),
          },
          { noNullPrototype: true },
        ),
        (fields) => {
          const bytes = encodeHeader({ ...fields, flag: FLAG.reg, sizeBytes: 0 })
          const [entry] = indexTar(Buffer.concat([bytes, Buffer.alloc(1024)])).entries
          const { name, mode, uid, gid, mtimeNanoseconds, userName, groupName } = entry ?? {}
          assert.deepEqual({ name, mode, uid, gid, mtimeNanoseconds, userName, groupName }, fields)
        },
      ),
      { numRuns: 500 },
    )
  })

  it('with everything that ustar cannot hold is read by GNU tar', () => {
    const name = Buffer.from(`${'d'.repeat(120)}/caf\u00e9`)
    const header = encodeHeader(
      {
        flag: FLAG.reg,
        name,
        sizeBytes: 5,
        mode: 0o640,
        uid: 3_000_000,
        gid: 3_000_001,
        mtimeNanoseconds: 1_500_000_000n,
      },
      [{ key: 'comment', value: Buffer.from('kept') }],
    )
    const tar = Buffer.concat([header, Buffer.from('hello'), Buffer.alloc(507 + 1024)])
    const env = { ...process.env, TZ: 'UTC', LC_ALL: 'C.UTF-8' }
    const listing = execFileSync('tar', ['-tv', '--full-time', '--numeric-owner'], {
      input: tar,
      env,
    }).toString()
    assert.equal(listing.replace(/ +/g, ' '), `-rw-r----- 3000000/3000001 5 1970-01-01 00:00:01.5 ${name}\n`)
    assert.equal(execFileSync('tar', ['-xO'], { input: tar, env }).toString(), 'hello')
  })
})
