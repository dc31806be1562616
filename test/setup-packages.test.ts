/** How bin/setup gets Debian's packages where apt or the disk fail it: bin/debian-packages. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'

const PACKAGES = fileURLToPath(new URL('../../bin/debian-packages', import.meta.url))
const LATER_PACKAGES = fileURLToPath(new URL('../../bin/later-packages', import.meta.url))

describe('bin/debian-packages', () => {
  let folder: string
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'optimizer-packages-'))
    mkdirSync(join(folder, 'tools'))
    mkdirSync(join(folder, 'commands'))
  })
  afterEach(() => rmSync(folder, { recursive: true, force: true }))

  /** In a shell like bin/setup's, as root, with commands of the test's own. */
  function shell(script: string, commands: Record<string, string>) {
    for (const [name, text] of Object.entries(commands))
      writeFileSync(join(folder, 'commands', name), `#!/bin/sh\n${text}\n`, { mode: 0o755 })
    const around = `set -euo pipefail
      CACHE=$FOLDER TOOLS=$FOLDER/tools
      say() { echo "$*" >&2; }
      die() { say "$*"; exit 3; }
      is_root() { true; }
      on_machine() { type -P "$1"; }
      . ${PACKAGES}
      ${script}`
    return spawnSync('bash', ['-c', around], {
      encoding: 'utf8',
      timeout: 300_000,
      env: { ...process.env, FOLDER: folder, PATH: `${join(folder, 'commands')}:${process.env.PATH}` },
    })
  }

  it('has stages that find old package lists side by side all go on with new ones', () => {
    // Like apt, it does not wait for another that writes the lists. Here this takes until all have met the old ones.
    const apt = `case "$*" in
      *update)
        mkdir "$FOLDER/lists.lock" || exit 100
        until [ "$(wc -l <"$FOLDER/failures")" = 3 ]; do sleep 0.01; done
        touch "$FOLDER/lists"
        rmdir "$FOLDER/lists.lock" ;;
      *)
        [ ! -e "$FOLDER/lists" ] || exit 0
        echo 404
        echo "$*" >>"$FOLDER/failures"
        exit 100 ;;
      esac`
    const stages = `stages=()
      for name in one two three; do run_apt install $name & stages+=($!); done
      for stage in "\${stages[@]}"; do wait "$stage" || echo "failed"; done`
    const { status, stdout, stderr } = shell(stages, { 'apt-get': apt })
    assert.deepEqual({ status, failed: stdout.includes('failed') }, { status: 0, failed: false }, stderr)
  })

  // A shell goes on after failures in what is called within a condition.
  const unpack = '(unpack_packages tool "a test needs it" golang-tool-dev) || echo "status $?"'

  it('leaves nothing half unpacked where the disk is full, within a condition, too', () => {
    const { stdout, stderr } = shell(unpack, {
      'apt-get': 'touch tool.deb',
      'dpkg-deb': 'mkdir "$3/usr"; echo "No space left on device" >&2; exit 2',
    })
    assert.equal(stdout, 'status 3\n', stderr)
    assert.match(stderr, /No space left.*\n.*golang-tool-dev could not be unpacked into .*: make room there/)
    assert.deepEqual(readdirSync(join(folder, 'tools')), [])
  })

  it('makes nothing elsewhere where its own folder cannot be written', () => {
    rmSync(join(folder, 'tools'), { recursive: true })
    const { stdout, stderr } = shell(unpack, { 'apt-get': 'echo "not reached" >&2' })
    assert.equal(stdout, 'status 3\n', stderr)
    assert.match(stderr, /cannot write .*\/tools \(see above\)/)
    assert.doesNotMatch(stderr, /not reached/)
  })
})

describe('bin/later-packages', () => {
  let folder: string
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'optimizer-later-'))
    mkdirSync(join(folder, 'commands'))
  })
  afterEach(() => rmSync(folder, { recursive: true, force: true }))

  it('fetches the lists of a later Debian once for all programs, and anew when they name what is gone', () => {
    const commands = {
      'apt-get': `case "$*" in
        indextargets*) echo Packages Debian main http://debian.example/debian ;;
        *update) echo update >>"$FOLDER/log"; cp "$FOLDER/server" "$FOLDER/lists" ;;
        *) cmp -s "$FOLDER/server" "$FOLDER/lists" || exit 100; touch tool.deb; echo download >>"$FOLDER/log" ;;
        esac`,
      'dpkg-deb': 'touch "$3/tool"',
    }
    for (const [name, text] of Object.entries(commands))
      writeFileSync(join(folder, 'commands', name), `#!/bin/sh\n${text}\n`, { mode: 0o755 })
    const script = `set -euo pipefail
      . ${LATER_PACKAGES}
      unpack() { mkdir "$FOLDER/$1"; unpack_later_packages "$FOLDER/$1" tool; [ -f "$FOLDER/$1/files/tool" ]; }
      echo one >"$FOLDER/server"
      unpack first
      unpack second
      echo two >"$FOLDER/server"
      unpack third
      cat "$FOLDER/log"`
    const { status, stdout, stderr } = spawnSync('bash', ['-c', script], {
      encoding: 'utf8',
      timeout: 60_000,
      env: { ...process.env, FOLDER: folder, PATH: `${join(folder, 'commands')}:${process.env.PATH}` },
    })
    assert.equal(status, 0, stderr)
    assert.deepEqual(stdout.trim().split('\n'), ['update', 'download', 'download', 'update', 'download'])
  })
})
