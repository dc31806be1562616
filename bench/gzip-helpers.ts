/**
 * When a program that decompresses pays: conversions of one layer with and without --estargz-gzip-helper.
 *
 *   npm run build && node dist/bench/gzip-helpers.js [--tree /usr/share] [--rounds 3]
 *
 * The layer is a folder of this machine, compressed by gzip -6. `--uncompress` reads and writes, and compresses nothing.
 */
import { spawnSync } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { hostPlatform } from '../optimizer/image/platform.ts'
import { GZIP_HELPER_NAMES } from '../optimizer/tar/gzip-helper.ts'
import { roundsOf, runBench, say } from './command.ts'
import { type Cost, measure } from './measure.ts'
import { OciLayout } from './sample/oci-layout.ts'
import { median, rotated } from './statistics.ts'

const PROGRAM = fileURLToPath(new URL('../../bin/optimizer', import.meta.url))
const FORMS = [
  { name: 'to plain tar', options: ['--uncompress'] },
  { name: 'to eStargz', options: [] },
]
const BUILT_IN = 'built in'

interface Row {
  form: string
  helper: string
  costs: Cost[]
}

async function bench(tree: string, rounds: number, signal: AbortSignal): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'hl-bench-helpers-'))
  try {
    say(`compressing ${tree}`)
    const layout = await OciLayout.create(join(folder, 'source'), signal)
    const layer = await layout.addLayer(tree)
    const { architecture } = hostPlatform()
    await layout.finish('source:1', [layer], {
      architecture,
      created: '1970-01-01T00:00:00Z',
      config: {},
      history: [],
    })
    const helpers = GZIP_HELPER_NAMES.filter((helper) => spawnSync(helper, ['--version']).error === undefined)
    const rows: Row[] = FORMS.flatMap(({ name }) =>
      [BUILT_IN, ...helpers].map((helper) => ({ form: name, helper, costs: [] })),
    )
    for (let round = 0; round < rounds; round++) {
      for (const row of rotated(rows, round)) {
        say(`round ${round + 1}: ${row.form}, ${row.helper}`)
        row.costs.push(await converted(folder, row, signal))
      }
    }
    const { model } = cpus()[0] ?? {}
    const heading = `${cpus().length} × ${model}, node ${process.versions.node}; ${tree}: ${megabytes(layer.descriptor.size)} MB in gzip`
    return `${heading}; medians of ${rounds}\n\n${table(rows)}`
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function converted(folder: string, { form, helper }: Row, signal: AbortSignal): Promise<Cost> {
  const options = [
    ...(FORMS.find(({ name }) => name === form)?.options ?? []),
    ...(helper === BUILT_IN ? [] : ['--estargz-gzip-helper', helper]),
  ]
  const target = join(folder, 'target')
  const command = [
    process.execPath,
    PROGRAM,
    'convert',
    `oci:${folder}/source`,
    `oci:${target}:1`,
    ...options,
  ]
  const { cost } = await measure(command, { daemonPid: process.pid, signal })
  await rm(target, { recursive: true })
  return cost
}

function table(rows: readonly Row[]): string {
  const lines = rows.map(({ form, helper, costs }) => {
    const middle = (figure: keyof Cost) => median(costs.map((cost) => cost[figure])).toFixed(2)
    return `| ${form} | ${helper} | ${middle('wallSeconds')} | ${middle('clientCpuSeconds')} |\n`
  })
  return `| what | gzip by | wall s | CPU s |\n| --- | --- | --- | --- |\n${lines.join('')}`
}

const megabytes = (bytes: number) => (bytes / 1e6).toFixed(0)

const { values } = parseArgs({
  options: { tree: { type: 'string', default: '/usr/share' }, rounds: { type: 'string', default: '3' } },
})
await runBench((signal) => bench(values.tree, roundsOf(values.rounds), signal))
