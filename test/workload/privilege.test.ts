/** What recording needs is missing: told before anything is done. */
import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { requireRecordingPrivilege, requireWritableCgroups } from '../../optimizer/workload/privilege.ts'

const isRoot = process.getuid?.() === 0

describe('what recording needs', () => {
  it("is the machine's own privilege: being root in a user namespace is not", () => {
    const folder = mkdtempSync(join(tmpdir(), 'user-map-'))
    try {
      const map = join(folder, 'uid_map')
      writeFileSync(map, '         0     100000      65536\n')
      assert.throws(() => requireRecordingPrivilege(map), {
        code: 'PRIVILEGE_MISSING',
        exitCode: 3,
        ...(isRoot ? { message: /root in a user namespace alone/ } : {}),
      })
      // A kernel that has no such namespaces.
      if (isRoot) requireRecordingPrivilege(join(folder, 'absent'))
    } finally {
      rmSync(folder, { recursive: true })
    }
  })

  it('are control groups that can be written, for a runtime without a daemon', () => {
    const root = mkdtempSync(join(tmpdir(), 'cgroups-'))
    try {
      assert.throws(() => requireWritableCgroups(join(root, 'absent')), {
        code: 'CGROUPS_UNUSABLE',
        message: /there are none at .*absent/,
      })
      mkdirSync(join(root, 'memory'))
      writeFileSync(join(root, 'memory', 'cgroup.procs'), '')
      requireWritableCgroups(root)
      chmodSync(join(root, 'memory'), 0o555)
      // To root whatever is not on a read-only file system is writable.
      if (!isRoot)
        assert.throws(() => requireWritableCgroups(root), { message: /read-only, as in a container without/ })
    } finally {
      rmSync(root, { recursive: true })
    }
  })
})
