/** The notifier's side of the protocol once more, in Python and with none of our code, put to the fixtures. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'

const SCRIPT = fileURLToPath(new URL('../../../test/second-notifier/fixtures.py', import.meta.url))
const FIXTURES = fileURLToPath(new URL('../../../test/fixtures/protocol/', import.meta.url))

describe('a second implementation', () => {
  it("reads every fixture of the optimizer's messages, refuses those to be refused, writes the notifier's", () => {
    const { status, stdout, stderr } = spawnSync('python3', ['-B', SCRIPT, FIXTURES], { encoding: 'utf8' })
    assert.equal(status, 0, stderr)
    const [, tried, failed] = /^(\d+) tried, (\d+) failed\n$/.exec(stdout) ?? []
    assert.equal(failed, '0', stdout)
    assert.ok(Number(tried) > 40, stdout)
  })
})
