/** What a conversion takes does not grow with what it converts, but by a little for each entry. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { OciLayout } from '../../optimizer/store/oci-layout.ts'
import { putRawImage } from '../helpers/raw-image.ts'
import { file, tarOf } from '../helpers/tar-language.ts'

const PROGRAM = fileURLToPath(new URL('../../../bin/optimizer', import.meta.url))
const FILES = 20_000
const MIB = 1024 ** 2
/** Told at the end, when all is done: the most there ever was. */
const TELL_PEAK = `data:text/javascript,process.on('exit',()=>console.error('peak',process.resourceUsage().maxRSS))`

let folder: string
before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'memory-'))
  const layout = await OciLayout.openForWriting(join(folder, 'source'))
  const files = Array.from({ length: FILES }, (_, index) => file(`f${index}`, `content ${index} `.repeat(40)))
  await putRawImage(layout, 'many', [{ tar: tarOf(files) }])
  await layout.close()
})
after(() => rmSync(folder, { recursive: true, force: true }))

it('a layer of many small files is converted in 200 MiB and 1 KiB for each', () => {
  const args = ['convert', `oci:${join(folder, 'source')}:many`, `oci:${join(folder, 'target')}:many`]
  const command = ['--import', TELL_PEAK, PROGRAM, ...args, '--workers', '2']
  const { status, stderr } = spawnSync(process.execPath, command, { encoding: 'utf8' })
  assert.equal(status, 0, stderr)
  const peakBytes = Number(/^peak (\d+)$/m.exec(stderr)?.[1]) * 1024
  const boundBytes = 200 * MIB + FILES * 1024
  assert.ok(peakBytes < boundBytes, `${Math.round(peakBytes / MIB)} MiB, more than ${boundBytes / MIB}`)
})
