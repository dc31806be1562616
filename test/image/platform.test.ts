import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { formatPlatform, parsePlatform, platformMatches } from '../../optimizer/image/platform.ts'

describe('a platform', () => {
  it('is read with its aliases', () => {
    const table: [string, string][] = [
      ['linux/amd64', 'linux/amd64'],
      ['x86_64', 'linux/amd64'],
      ['linux/aarch64', 'linux/arm64'],
      ['linux/arm64/v8', 'linux/arm64'],
      ['linux/armhf', 'linux/arm/v7'],
      ['Linux/AMD64', 'linux/amd64'],
    ]
    for (const [text, expected] of table) assert.equal(formatPlatform(parsePlatform(text)), expected, text)
  })

  it('is refused with an example when it cannot be read', () => {
    for (const text of ['', 'linux/', 'a/b/c/d', 'linux amd64']) {
      assert.throws(() => parsePlatform(text), { code: 'PLATFORM_INVALID' }, text)
    }
  })

  it('asks for a variant only when it names one', () => {
    const armV7 = { os: 'linux', architecture: 'arm', variant: 'v7' }
    assert.ok(platformMatches({ os: 'linux', architecture: 'arm' }, armV7))
    assert.ok(!platformMatches({ os: 'linux', architecture: 'arm', variant: 'v6' }, armV7))
    assert.ok(!platformMatches({ os: 'windows', architecture: 'arm' }, armV7))
  })
})
