import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { parseOptions } from '../../native/mounts.ts'

const MS_RDONLY = 1
const MS_NOSUID = 2
const MS_BIND = 4096
const MS_REC = 16384

describe('mount options', () => {
  const table: [options: string[], flags: number, data: string[]][] = [
    [[], 0, []],
    [['ro', 'nosuid'], MS_RDONLY | MS_NOSUID, []],
    [['rbind', 'rw'], MS_BIND | MS_REC, []],
    [['ro', 'rw'], 0, []],
    [['rw', 'ro'], MS_RDONLY, []],
    [['nosuid', 'suid', 'defaults'], 0, []],
    [
      ['index=off', 'lowerdir=/b:/a', 'ro', 'volatile'],
      MS_RDONLY,
      ['index=off', 'lowerdir=/b:/a', 'volatile'],
    ],
  ]
  for (const [options, flags, data] of table)
    it(`of [${options.join(' ')}] are flags ${flags} and data [${data.join(' ')}]`, () =>
      assert.deepEqual(parseOptions(options), { flags, data }))
})
