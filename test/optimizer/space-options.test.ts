/** `--memory-limit`, `--spool-dir`, `--spool-limit` as users give them: they decide what is taken, never what is written. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { OciLayout } from '../../optimizer/store/oci-layout.ts'
import { putRawImage } from '../helpers/raw-image.ts'
import { file, tarOf } from '../helpers/tar-language.ts'

const PROGRAM = fileURLToPath(new URL('../../../bin/optimizer', import.meta.url))

describe('What a conversion may take', () => {
  let folder: string
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'space-'))
    const layout = await OciLayout.openForWriting(join(folder, 'source'))
    const layers = [2_000_000, 2_500_000, 1_500_000, 1000].map((bytes, index) => ({
      tar: tarOf([file(`data-${index}`, randomBytes(bytes))]),
    }))
    await putRawImage(layout, 'layers', layers)
    await layout.close()
  })
  after(() => rmSync(folder, { recursive: true, force: true }))

  function convert(...options: string[]) {
    const target = join(folder, 'target')
    const args = ['convert', `oci:${join(folder, 'source')}:layers`, `oci:${target}:x`, ...options]
    const { status, stdout, stderr } = spawnSync(process.execPath, [PROGRAM, ...args], { encoding: 'utf8' })
    return { status, digest: stdout.trim(), stderr, wrote: existsSync(join(target, 'index.json')) }
  }

  function refused(status: number, code: string, ...options: string[]): string {
    const result = convert(...options)
    assert.deepEqual([result.status, result.digest, result.wrote], [status, '', false], result.stderr)
    assert.ok(result.stderr.trimEnd().endsWith(`[${code}]`), result.stderr)
    return result.stderr
  }

  it('is refused before anything is done where it cannot be enough', () => {
    assert.match(refused(3, 'SPOOL_LIMIT', '--spool-limit', '1MiB'), /allows 1048576/)
    const missing = join(folder, 'missing')
    assert.ok(refused(3, 'SPOOL_FAILED', '--spool-dir', missing).includes(missing))
    refused(2, 'OPTION_INVALID', '--memory-limit', '1MiB')
    refused(2, 'OPTIONS_CONTRADICT', '--memory-limit', '64MiB', '--estargz-chunk-size', '32MiB')
  })

  it('does not change a byte: little memory, little disk, another disk', () => {
    const spool = join(folder, 'spool')
    mkdirSync(spool)
    // What a list names is looked up in all layers before the first is converted.
    const list = join(folder, 'list')
    writeFileSync(list, '/data-1\n')
    const { status, digest, stderr } = convert('--prefetch-list', list)
    assert.equal(status, 0, stderr)
    const tight = convert(
      '--prefetch-list',
      list,
      '--memory-limit',
      '16MiB',
      '--workers',
      '3',
      '--spool-limit',
      '3MiB',
      '--spool-dir',
      spool,
    )
    assert.equal(tight.digest, digest, tight.stderr)
    assert.match(tight.stderr, /each again later: --spool-limit holds one at a time/)
    assert.deepEqual(readdirSync(spool), [])
  })
})
