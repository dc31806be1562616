/** Each option of a workload but those that shape its container: what it asks for, and that nothing else asks for it. */
import assert from 'node:assert/strict'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { optionsOf } from '../../optimizer/commands/command-facts.ts'
import { addContainerOptions } from '../../optimizer/commands/container-options.ts'
import { addWorkloadOptions } from '../../optimizer/commands/workload-options.ts'
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
const CONTAINER_OPTIONS = [...optionsOf(addContainerOptions).map(({ name }) => name), 'env-file']
const readyUrls = ({ readyHttp }: WorkloadOptions) => readyHttp?.map(String)
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
  ['entrypoint', ['--entrypoint', '["a"]'], ({ entrypoint }) => entrypoint, ['a']],
  ['args', ['--args', '["a"]'], ({ args }) => args, ['a']],
  ['env', ['-e', 'A=1', '--env', 'B'], ({ env }) => env, ['A=1', 'B']],
  ['cwd', ['--cwd', '/a'], ({ cwd }) => cwd, '/a'],
  ['user', ['--user', 'a:b'], ({ user }) => user, 'a:b'],
  ['net-host', ['--net-host'], ({ netHost }) => netHost, true],
  ['snapshotter', ['--snapshotter', 'native'], ({ snapshotter }) => snapshotter, 'native'],
  // A described device is read from files of the machine: what is not described there is refused.
  ['gpus', ['--gpus', '97'], () => 'nothing', 'DEVICE_UNKNOWN'],
  ['period', ['--period', '3s'], ({ periodSeconds }) => periodSeconds, 3],
  ['wait-on-signal', ['--wait-on-signal'], ({ waitOnSignal }) => waitOnSignal, true],
  ['wait-on-line', ['--wait-on-line', 'a'], ({ waitOnLine }) => waitOnLine, ['a']],
  ['wait-on-regex', ['--wait-on-regex', 'a'], ({ waitOnRegex }) => waitOnRegex?.map(String), ['/a/u']],
  ['ready-tcp', ['--ready-tcp', '[::1]:2'], ({ readyTcp }) => readyTcp, [{ address: '::1', port: 2 }]],
  ['ready-http', ['--ready-http', 'http://localhost/'], readyUrls, ['http://localhost/']],
  ['ready-exec', ['--ready-exec', '["a"]'], ({ readyExec }) => readyExec, [['a']]],
  ['settle', ['--settle', '2s'], ({ settleSeconds }) => settleSeconds, 2],
  ['stop-timeout', ['--stop-timeout', '1s'], ({ stopTimeoutSeconds }) => stopTimeoutSeconds, 1],
  ['allow-workload-failure', ['--allow-workload-failure'], ({ allowFailure }) => allowFailure, true],
  ['mark', ['--mark', 'mount'], ({ mark }) => mark, 'mount'],
  ['record-reads', ['--record-reads'], ({ recordReads }) => recordReads, true],
  ['notifier', ['--notifier', join(folder, 'bridge')], ({ notifier }) => notifier, join(folder, 'bridge')],
]
/** Of the command, not of the workload: held by the tests of what the command does with them. */
const OF_THE_COMMAND = ['dry-run', 'record-out', 'on-loss', 'no-create-phase', 'runner', 'cache-dir']

describe('an option of a workload is in the request, and nothing else puts it there', () => {
  it('every option has its row, here or among those of the container', () => {
    const all = new Set(optionsOf(addWorkloadOptions).map(({ name }) => name))
    const rows = [...ROWS.map(([option]) => option), ...OF_THE_COMMAND, ...CONTAINER_OPTIONS]
    assert.deepEqual([...all].sort(), [...new Set(rows)].sort())
  })

  for (const [option, words, look, wanted] of ROWS)
    it(`${words.join(' ').replaceAll(folder, 'DIR')}, by --${option}`, async () => {
      const seen = (dropped: string[] = []) => parsedWorkload(words, dropped).then(look, ({ code }) => code)
      assert.deepEqual(await seen(), wanted)
      // Lost by the parser it is not there, or another mistake is told.
      const without = await seen([option, ...(option === 'interactive' ? ['i'] : [])])
      assert.notDeepEqual(without, wanted)
    })
})
