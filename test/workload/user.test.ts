import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { resolveUser } from '../../optimizer/workload/spec/user.ts'

const FILES = {
  passwd: [
    'root:x:0:0:root:/root:/bin/sh',
    '# a comment',
    'short:x',
    'web:x:101:102:Web:/home/web:/bin/sh',
    'odd:x:notanumber:1::/:',
    '1000:x:55:56:a name of digits:/:/bin/sh',
    '',
  ].join('\n'),
  group: ['root:x:0:', 'wheel:x:10:root,web', 'web:x:102:', 'logs:x:103:other,web', 'bad:x::web'].join('\n'),
}
const NONE = { passwd: null, group: null }

describe('the user of a workload', () => {
  const cases: [string, string, { uid: number; gid: number; additionalGids: number[] }][] = [
    ['is root by default, with the groups of root', '', { uid: 0, gid: 0, additionalGids: [0, 10] }],
    ['is found by name, with its groups', 'web', { uid: 101, gid: 102, additionalGids: [102, 10, 103] }],
    ['is found by id, with its groups', '101', { uid: 101, gid: 102, additionalGids: [102, 10, 103] }],
    ['may be an id that the image does not know', '4711', { uid: 4711, gid: 0, additionalGids: [0] }],
    ['may have another group, by name', 'web:logs', { uid: 101, gid: 103, additionalGids: [103, 10] }],
    ['may have another group, by id', 'web:7', { uid: 101, gid: 7, additionalGids: [7, 10, 103] }],
    ['given as digits is always an id', '1000', { uid: 1000, gid: 0, additionalGids: [0] }],
    ['is 32 bits wide', '4294967294', { uid: 4294967294, gid: 0, additionalGids: [0] }],
  ]
  for (const [name, text, user] of cases) it(name, () => assert.deepEqual(resolveUser(text, FILES), user))

  it('needs no files as long as it is given in numbers', () => {
    assert.deepEqual(resolveUser('', NONE), { uid: 0, gid: 0, additionalGids: [0] })
    assert.deepEqual(resolveUser('5:6', NONE), { uid: 5, gid: 6, additionalGids: [6] })
  })

  it('must be known when it is a name', () => {
    assert.throws(() => resolveUser('ghost', FILES), { code: 'USER_UNKNOWN', exitCode: 3 })
    assert.throws(() => resolveUser('web', NONE), { code: 'USER_UNKNOWN' })
    assert.throws(() => resolveUser('web:ghosts', FILES), { code: 'GROUP_UNKNOWN', exitCode: 3 })
    assert.throws(() => resolveUser('4294967295', FILES), { code: 'USER_UNKNOWN' })
  })

  it('is refused when it is not of the form user[:group]', () => {
    for (const text of [':', 'web:', ':web', 'a:b:c'])
      assert.throws(() => resolveUser(text, FILES), { code: 'USER_INVALID', exitCode: 2 })
  })
})
