import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { launcherPath } from '../../native/addon.ts'

const ROOT = fileURLToPath(new URL('../../../', import.meta.url))

/** A package whose native part is what the test puts there. */
describe('the addon', () => {
  let root: string
  before(() => {
    root = mkdtempSync(join(tmpdir(), 'optimizer-package-'))
    writeFileSync(join(root, 'package.json'), '{ "type": "module" }')
    for (const folder of ['dist/native', 'dist/shared'])
      cpSync(join(ROOT, folder), join(root, folder), { recursive: true })
  })
  after(() => rmSync(root, { recursive: true }))

  function load(): string {
    const code = `import('${root}/dist/native/addon.js').then((m) => m.loadAddon()).catch((e) => console.log(e.code, e.exitCode, e.message))`
    return spawnSync(process.execPath, ['-e', code], { encoding: 'utf8' }).stdout
  }

  it('that is missing is an error with the paths tried and the command that builds it', () => {
    const text = load()
    assert.match(text, /^ADDON_MISSING 3 the native addon\.node is neither at /)
    assert.ok(text.includes(join(root, 'native/build/Release/addon.node')))
    assert.ok(text.includes(join(root, `prebuilds/linux-${process.arch}/addon.node`)))
    assert.match(text, /npm run build:native$/m)
  })

  it('that does not load is an error with the reason, and not skipped for the next', () => {
    mkdirSync(join(root, 'native/build/Release'), { recursive: true })
    writeFileSync(join(root, 'native/build/Release/addon.node'), 'not a library')
    assert.match(
      load(),
      /^ADDON_UNLOADABLE 3 .*native\/build\/Release\/addon\.node does not load \(.*(invalid|short).*\)/s,
    )
  })

  it('of a prebuild is taken when there is no build', () => {
    rmSync(join(root, 'native'), { recursive: true, force: true })
    const prebuilds = join(root, `prebuilds/linux-${process.arch}`)
    mkdirSync(prebuilds, { recursive: true })
    cpSync(join(launcherPath(), '../addon.node'), join(prebuilds, 'addon.node'))
    assert.equal(load(), '')
  })
})
