/** The committed output of the generator is that of the committed .proto files. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { it } from 'node:test'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('../../../', import.meta.url))

function filesOf(folder: string): Map<string, string> {
  const paths = readdirSync(folder, { recursive: true, encoding: 'utf8' }).map((path) => join(folder, path))
  const files = paths.filter((path) => statSync(path).isFile()).sort()
  return new Map(files.map((path) => [relative(folder, path), readFileSync(path, 'utf8')]))
}

it('the generated code is what bin/generate-protos makes of the .proto files', () => {
  const folder = mkdtempSync(join(tmpdir(), 'generated-'))
  try {
    mkdirSync(join(folder, 'proto'))
    execFileSync(join(ROOT, 'bin', 'generate-protos'), [join(folder, 'proto')])
    const committed = filesOf(join(ROOT, 'optimizer', 'containerd', 'generated'))
    assert.deepEqual(filesOf(join(folder, 'generated')), committed)
  } finally {
    rmSync(folder, { recursive: true })
  }
})
