import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { capabilityName, capabilitySet } from '../../optimizer/workload/spec/capabilities.ts'
import { CAPABILITIES } from '../../optimizer/workload/spec/default-spec.ts'

const NOTHING = { privileged: false, add: [], drop: [] }
/** CHOWN, NET_ADMIN and SYS_ADMIN. */
const AVAILABLE = (1n << 0n) | (1n << 12n) | (1n << 21n)
const ALL = ['CAP_CHOWN', 'CAP_NET_ADMIN', 'CAP_SYS_ADMIN']

describe('the capabilities of a container', () => {
  const cases: [name: string, changes: Partial<typeof NOTHING> | object, set: readonly string[]][] = [
    ['are the usual ones', {}, CAPABILITIES],
    ['may be more', { add: ['CAP_BPF', 'CAP_KILL'] }, [...CAPABILITIES, 'CAP_BPF']],
    ['may be fewer', { drop: ['CAP_KILL'] }, CAPABILITIES.filter((name) => name !== 'CAP_KILL')],
    ['may be none', { drop: ['ALL'] }, []],
    ['may be those alone that are named', { add: ['CAP_KILL'], drop: ['ALL'] }, ['CAP_KILL']],
    ['may be all that there are', { add: ['ALL'] }, ALL],
    [
      'may be all but those that are named',
      { add: ['ALL'], drop: ['CAP_NET_ADMIN'] },
      ['CAP_CHOWN', 'CAP_SYS_ADMIN'],
    ],
    ['of a privileged one are all that there are', { privileged: true }, ALL],
  ]
  for (const [name, changes, set] of cases)
    it(name, () => assert.deepEqual(capabilitySet({ ...NOTHING, ...changes }, AVAILABLE), set))

  it('are named with or without CAP_, in any case', () => {
    assert.equal(capabilityName('net_admin'), 'CAP_NET_ADMIN')
    assert.equal(capabilityName('CAP_NET_ADMIN'), 'CAP_NET_ADMIN')
    assert.equal(capabilityName('all'), 'ALL')
    assert.equal(capabilityName('CAP_NOTHING'), undefined)
  })
})
