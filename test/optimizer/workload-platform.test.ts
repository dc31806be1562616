import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { hostPlatform } from '../../optimizer/image/platform.ts'
import { canRun, choosePlatformToRun } from '../../optimizer/workload-platform.ts'

const folder = mkdtempSync(join(tmpdir(), 'binfmt-'))
after(() => rmSync(folder, { recursive: true }))

/** As the kernel shows the entry that Debian's qemu-user-static registers. */
const entry = (magic: string, mask: string, flags: string, state = 'enabled') =>
  `${state}\ninterpreter /usr/libexec/qemu-binfmt/x\nflags: ${flags}\noffset 0\nmagic ${magic}\nmask ${mask}\n`
const register = (name: string, text: string) => writeFileSync(join(folder, name), text)

const MASK = 'ffffffffffffff00fffffffffffffffffeffffff'
register('status', 'enabled')
register('qemu-s390x', entry('7f454c4602020100000000000000000000020016', MASK, 'OCF'))
register('qemu-riscv64', entry('7f454c460201010000000000000000000200f300', MASK, 'OC'))
register('qemu-ppc64le', entry('7f454c4602010100000000000000000002001500', MASK, 'F', 'disabled'))

const linux = (architecture: string) => ({ os: 'linux', architecture })

describe('This machine can run', () => {
  it('its own platform', () => {
    assert.ok(canRun(hostPlatform(), folder))
  })

  it('one whose interpreter is registered, when it needs no file of the container', () => {
    assert.equal(canRun(linux('s390x'), folder), true)
    assert.equal(canRun(linux('riscv64'), folder), false)
  })

  it('none whose entry is disabled, that is not registered, or of another system', () => {
    assert.equal(canRun(linux('ppc64le'), folder), false)
    assert.equal(canRun(linux('mips64le'), folder), false)
    assert.equal(canRun({ os: 'windows', architecture: 's390x' }, folder), false)
    assert.equal(canRun(linux('s390x'), join(folder, 'not-mounted')), false)
  })

  it('its own platform first, wherever it stands among those of an image', () => {
    const images = [{ platform: linux('s390x') }, { platform: hostPlatform() }]
    assert.equal(choosePlatformToRun(images), images[1])
  })
})
