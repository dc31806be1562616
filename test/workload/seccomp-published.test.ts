/** Our seccomp profile beside the one that Debian ships for podman and CRI-O: every difference is meant. */
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { CAPABILITIES } from '../../optimizer/workload/spec/default-spec.ts'
import { parseSeccomp, type Seccomp } from '../../optimizer/workload/spec/seccomp.ts'
import { defaultSeccomp } from '../../optimizer/workload/spec/seccomp-default.ts'

const FILES = [process.env.SECCOMP_PROFILE ?? '', '/usr/share/containers/seccomp.json']
const file = FILES.find((path) => existsSync(path))
const skip =
  file === undefined && !process.env.CI && 'needs golang-github-containers-common: run bin/setup --test'

/** Refused by ours, as by docker's: podman leaves them to the kernel, which asks for a capability in a namespace. */
const STRICTER = [
  ...['mount', 'umount', 'umount2', 'mount_setattr', 'move_mount', 'open_tree', 'pivot_root'],
  ...['fsopen', 'fsconfig', 'fsmount', 'fspick', 'setns', 'unshare', 'clone3', 'keyctl', 'reboot', 'syslog'],
]
/** Allowed by ours: harmless, of former times, or guarded by the kernel itself. */
const LAXER = [
  ...[
    'bdflush',
    'nice',
    'oldfstat',
    'oldlstat',
    'oldolduname',
    'oldstat',
    'olduname',
    'sgetmask',
    'ssetmask',
  ],
  ...['pciconfig_iobase', 'pciconfig_read', 'pciconfig_write', 'swapcontext', 'io_pgetevents', 'vmsplice'],
  ...['migrate_pages', 'kcmp', 'process_madvise'],
]

describe('our seccomp profile beside a published one', { skip }, () => {
  const host = { capabilities: CAPABILITIES, architecture: 'amd64', kernel: { major: 6, minor: 1 } }
  const published = () => parseSeccomp(readFileSync(file as string, 'utf8'), file as string, host)
  const names = ({ syscalls = [] }: Seccomp, action: string, whole: boolean) =>
    syscalls
      .filter((rule) => rule.action === action && !(whole && rule.args !== undefined))
      .flatMap((rule) => rule.names)
  const refused = names(defaultSeccomp(CAPABILITIES, 'amd64'), 'SCMP_ACT_ERRNO', true)

  it('refuses nothing that is allowed there, but for what is listed', () => {
    const allowed = names(published(), 'SCMP_ACT_ALLOW', true)
    const differing = refused.filter((name) => allowed.includes(name))
    assert.deepEqual(
      differing.filter((name) => !STRICTER.includes(name)),
      [],
    )
  })

  it('allows nothing that is refused there, but for what is listed', () => {
    const allowedAtTimes = new Set(names(published(), 'SCMP_ACT_ALLOW', false))
    const differing = names(published(), 'SCMP_ACT_ERRNO', true).filter(
      (name) => !refused.includes(name) && !allowedAtTimes.has(name),
    )
    assert.deepEqual(
      differing.filter((name) => !LAXER.includes(name)),
      [],
    )
  })
})
