import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { parseMountInfo, watchedPaths } from '../../../notifier/stand-alone/mounts.ts'

const LINES = [
  '25 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw',
  '26 25 0:5 / /proc rw - proc proc rw',
  '27 25 0:6 / /dev rw shared:2 master:1 - devtmpfs udev rw',
  '28 25 0:40 / /with\\040blank\\134\\012 rw - tmpfs tmpfs rw',
  '29 25 0:41 / /mnt rw - autofs systemd-1 rw',
  '30 29 0:42 / /mnt rw shared:9 - nfs4 host:/x rw',
  '31 25 0:43 / /dash rw - - overlay -',
  '',
]

describe('the table of mounts', () => {
  it('is read with its optional fields and escapes', () => {
    const mounts = parseMountInfo(Buffer.from(LINES.join('\n')))
    assert.deepEqual(
      mounts.map(({ path, type }) => `${path} ${type}`),
      [
        '/ ext4',
        '/proc proc',
        '/dev devtmpfs',
        '/with blank\\\n tmpfs',
        '/mnt autofs',
        '/mnt nfs4',
        '/dash -',
      ],
    )
  })

  it('gives what holds files, each path once, and the root in any case', () => {
    const watched = watchedPaths(parseMountInfo(Buffer.from(LINES.join('\n')))).map(String)
    assert.deepEqual(watched, ['/', '/with blank\\\n', '/mnt', '/dash'])
    assert.deepEqual(watchedPaths([]).map(String), ['/'])
  })

  it('of this process has the root and /proc', () => {
    const paths = parseMountInfo(readFileSync('/proc/self/mountinfo')).map(({ path }) => String(path))
    assert.ok(paths.includes('/proc'), paths.join('\n'))
  })

  it('leaves out lines that are none', () => {
    assert.deepEqual(parseMountInfo(Buffer.from('nonsense\n1 2 3 4 5\n')), [])
  })
})
