/** Each option by which a workload is driven, attended or attached: what it asks for, and that nothing else asks for it. */
import assert from 'node:assert/strict'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { formatStep } from '../../optimizer/workload/drive/drive.ts'
import type { WorkloadOptions } from '../../optimizer/workload/options.ts'
import { parsedWorkload } from '../helpers/workload-request.ts'

const folder = mkdtempSync(join(tmpdir(), 'attended-options-'))
for (const name of ['first', 'other'])
  writeFileSync(
    join(folder, `${name}.conflist`),
    JSON.stringify({ cniVersion: '1.0.0', name, plugins: [{ type: 'bridge' }] }),
  )
writeFileSync(join(folder, 'bridge'), '#!/bin/sh\n')
chmodSync(join(folder, 'bridge'), 0o755)
after(() => rmSync(folder, { recursive: true }))

const CNI = ['--cni', '--cni-plugin-conf-dir', folder, '--cni-plugin-dir', folder]
const drive = (options: WorkloadOptions) => (options.drive ?? []).map(formatStep)

/** By option: words, what of the request is looked at, and what it is then. */
const ROWS: [
  option: string,
  words: string[],
  look: (options: WorkloadOptions) => unknown,
  wanted: unknown,
][] = [
  ['exec', ['--exec', '["a","b"]'], drive, ['["a","b"]']],
  ['http', ['--http', 'GET http://localhost/'], drive, ['GET http://localhost/']],
  ['interactive', ['-i'], ({ interactive }) => interactive, true],
  ['terminal', ['--terminal'], ({ terminal }) => terminal, true],
  ['terminal', ['-i', '-t'], ({ waitOnSignal }) => waitOnSignal, true],
  ['cni-network', [...CNI, '--cni-network', 'other'], ({ cni }) => cni?.network.name, 'other'],
  ['cni-plugin-conf-dir', CNI, ({ cni }) => cni?.network.file, join(folder, 'first.conflist')],
  ['cni-plugin-dir', CNI, ({ cni }) => cni?.pluginDirs, [folder]],
  ['cni', CNI, ({ cni }) => cni?.network.name, 'first'],
]

describe('an option by which a workload is driven, attended or attached is in the request', () => {
  for (const [option, words, look, wanted] of ROWS)
    it(`${words.join(' ').replaceAll(folder, 'DIR')}, by --${option}`, async () => {
      assert.deepEqual(look(await parsedWorkload(words)), wanted)
      // Lost by the parser it is not there, or another mistake is told.
      const without = await parsedWorkload(words, [option, ...(option === 'interactive' ? ['i'] : [])]).then(
        look,
        ({ code }) => code,
      )
      assert.notDeepEqual(without, wanted)
    })
})
