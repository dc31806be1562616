/** The line that shows progress, on a real terminal: what stands there when the command is through. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { hostPlatform } from '../../optimizer/image/platform.ts'
import { OciLayout } from '../../optimizer/store/oci-layout.ts'
import { putPlatforms } from '../helpers/platform-image.ts'
import { file, tarOf } from '../helpers/tar-language.ts'
import { runAtTerminal, screen, type TerminalStep } from '../helpers/terminal.ts'

const PROGRAM = fileURLToPath(new URL('../../../bin/optimizer', import.meta.url))
const MIB = 1024 * 1024
const COLUMNS = 40

describe('the line that shows progress', () => {
  let folder: string
  const path = (name: string) => join(folder, name)

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'live-line-'))
    const layout = await OciLayout.openForWriting(path('source'))
    const content = randomBytes(MIB - 4096)
    const large = Array.from({ length: 20 }, (_, index) => file(`data/${index}`, content))
    const small = Array.from({ length: 4 }, (_, index) => tarOf([file(`first/${index}`, 'text')]))
    const platform = hostPlatform()
    await putPlatforms(layout, 'large', [{ platform, layers: [tarOf(large)] }])
    await putPlatforms(layout, 'small', [{ platform, layers: [...small, tarOf([file('last', content)])] }])
    await layout.close()
  })
  after(() => rmSync(folder, { recursive: true, force: true }))

  function convert(name: string, options: string[], steps: TerminalStep[], wrapper: string[] = []) {
    const images = [`oci:${path('source')}:${name}`, `oci:${path('target')}:${name}`]
    const command = [...wrapper, process.execPath, PROGRAM, 'convert', ...images, '--no-optimize', ...options]
    const env = { ...process.env, TMPDIR: folder, NO_COLOR: '1', TERM: 'xterm' }
    return runAtTerminal(command, steps, { env, columns: COLUMNS })
  }

  /** What was shown in place, each time. */
  const drawn = (seen: string) =>
    seen.split('\r\x1b[K').flatMap((text) => /^(?:converting|comparing)[^\r\n]*/.exec(text)?.[0] ?? [])
  const progress = /converting layer|comparing layer/

  it('is gone at the end; stdout is the result alone; it never wraps, however narrow the terminal becomes', () => {
    const { seen, status, stdout, restored } = convert(
      'large',
      ['--verify', '--zstdchunked', '--zstdchunked-compression-level', '12'],
      [
        ['converting layer', 'signal', 'SIGSTOP'],
        ['', 'resize', [24, 20]],
        ['', 'signal', 'SIGCONT'],
      ],
    )
    assert.deepEqual([status, restored], [0, true], seen)
    assert.match(stdout, /^sha256:[0-9a-f]{64}$/)
    const lines = drawn(seen)
    const wide = lines.filter((line) => line.length >= 20)
    assert.ok(
      wide.every((line) => /^converting layer 1 of 1: +\d+ %$/.test(line)),
      seen,
    )
    assert.ok(lines.includes('comparing layer 1 o'), seen)
    assert.doesNotMatch(screen(seen, COLUMNS).join('\n'), progress)
  })

  it('makes room for the error that ends the command', () => {
    // Files of more than this cannot be written; what is uncompressed is small enough to be kept in memory.
    const limit = ['/usr/bin/prlimit', `--fsize=${MIB / 2}`]
    const { seen, status, stdout } = convert('small', ['--workers', '1'], [], limit)
    assert.deepEqual([status, stdout], [3, ''], seen)
    assert.match(seen, progress)
    const rows = screen(seen, COLUMNS)
    assert.doesNotMatch(rows.join('\n'), progress)
    assert.match(rows.join(''), /optimizer: cannot write .*EFBIG.*\[STORE_NOT_WRITABLE\]$/)
    assert.equal(rows.at(-1), '')
  })

  it('and Ctrl-C are followed by lines of their own, and nothing is left of it', () => {
    const { seen, status, stdout, restored } = convert(
      'large',
      ['--zstdchunked', '--zstdchunked-compression-level', '15'],
      [['converting layer', 'type', '\x03']],
    )
    assert.deepEqual([status, stdout, restored], [130, '', true], seen)
    const shown = screen(seen, COLUMNS).join('')
    assert.doesNotMatch(shown, progress)
    assert.ok(
      shown.endsWith(
        'warning: SIGINT: stopping and cleaning upoptimizer: interrupted by SIGINT [INTERRUPTED]',
      ),
      shown,
    )
    assert.doesNotMatch(shown, /\^C/)
    assert.deepEqual(
      readdirSync(folder).filter((name) => name !== 'source' && name !== 'target'),
      [],
    )
  })
})
