/**
 * What plan, explain, replay and simulate say of an image beside what the lazily pulling snapshotter has fetched of it.
 *
 *   npm run --silent bench:agreement -- [--image NAME]... [--json]
 *
 * Images: interpreter and compiler; small, for a quick look. Each is run once for a record, converted in four ways, and
 * started once on a machine that has never seen it, over loopback: bytes and requests are looked at, no times.
 */
import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseArgs, promisify } from 'node:util'
import type { AnalysisDocument } from '../optimizer/plan/document.ts'
import { replayOf } from '../optimizer/plan/replay.ts'
import type { ReplayResult } from '../optimizer/replay.ts'
import { CLIENT } from '../optimizer/simulate/client-model.ts'
import { factsAsIs, ownTime } from '../optimizer/simulate/facts-of-analysis.ts'
import { lazyStart } from '../optimizer/simulate/lazy-start.ts'
import { LINKS } from '../optimizer/simulate/link.ts'
import { CodedError, messageOf, PreconditionError, UsageError } from '../shared/errors.ts'
import { type AgreementReport, type AgreementRow, agreementRow, formatAgreement } from './agreement-report.ts'
import { chosen, runBench, say } from './command.ts'
import { OPTIMIZER } from './contestants.ts'
import { ColdClient, push } from './lazy/client.ts'
import { MeteredProxy, type WireRequest } from './lazy/metered-proxy.ts'
import { type Registry, startRegistry } from './lazy/registry.ts'
import { lackOfSnapshotter } from './lazy/snapshotter.ts'
import { containerdOptions, explained, optimizerJson } from './own-images.ts'
import { type PrivateContainerd, startPrivateContainerd } from './sample/private-containerd.ts'
import { importImage } from './sample/run-image.ts'
import { buildSampleImage } from './sample/sample-image.ts'

const KINDS = ['small', 'interpreter', 'compiler'] as const
type Kind = (typeof KINDS)[number]

/** Generous: the workload ends by itself. */
const PERIOD = ['--period', '120']

/** What is converted and planned alike; `half` has room for half of what is hot, so that there is something to miss. */
const ROWS: readonly { id: string; options(hotZoneBytes: number): string[] | null }[] = [
  { id: 'unordered', options: () => null },
  { id: 'optimizer', options: () => [] },
  { id: 'optimizer-zstd', options: () => ['--zstdchunked'] },
  { id: 'half', options: (hotZoneBytes) => ['--prefetch-budget', String(Math.floor(hotZoneBytes / 2))] },
]

const execute = promisify(execFile)

function readOptions(): { kinds: Kind[]; json: boolean } {
  const options = {
    image: { type: 'string', multiple: true },
    json: { type: 'boolean', default: false },
  } as const
  try {
    const { image, json } = parseArgs({ options }).values
    return { kinds: chosen('image', image ?? ['interpreter', 'compiler'], KINDS), json }
  } catch (cause) {
    if (cause instanceof CodedError) throw cause
    throw new UsageError('OPTION_UNKNOWN', messageOf(cause), { cause })
  }
}

async function compare(kinds: readonly Kind[], signal: AbortSignal): Promise<AgreementReport> {
  const lack = lackOfSnapshotter()
  if (lack) throw new PreconditionError('SNAPSHOTTER_MISSING', `no lazily pulling snapshotter: ${lack}`)
  const registry = await startRegistry()
  const proxy = await MeteredProxy.start(registry.port, null)
  try {
    const rows: AgreementRow[] = []
    for (const kind of kinds) rows.push(...(await rowsOf(kind, registry, proxy, signal)))
    return { schemaVersion: 1, rows }
  } finally {
    await proxy.stop()
    await registry.stop()
  }
}

async function rowsOf(
  kind: Kind,
  registry: Registry,
  proxy: MeteredProxy,
  signal: AbortSignal,
): Promise<AgreementRow[]> {
  const sample = await buildSampleImage({ kind, log: { debug() {}, info: say, warn: say }, signal })
  const daemon = await startPrivateContainerd()
  try {
    await importImage(daemon, sample, signal)
    const record = join(daemon.folder, 'own.record')
    say(`recording ${sample.name}`)
    const recording = [OPTIMIZER, 'record', sample.name, ...PERIOD, '--record-out', record]
    await execute(process.execPath, [...recording, ...containerdOptions(daemon)], { signal })
    const rows: AgreementRow[] = []
    let hotZoneBytes = 0
    for (const { id, options } of ROWS) {
      say(`making and starting ${kind}, ${id}`)
      const image = `bench.invalid/agreement:${id}`
      const more = options(hotZoneBytes)
      const plan = more === null ? null : await planned(daemon, sample.name, record, more, signal)
      if (hotZoneBytes === 0) hotZoneBytes = plan?.sums.hotZoneBytes ?? 0
      await convert(
        daemon,
        sample.name,
        image,
        more === null ? ['--no-optimize'] : byRecord(record, more),
        signal,
      )
      await push(daemon, image, `127.0.0.1:${registry.port}/${kind}:${id}`)
      const requests = await coldStart(`127.0.0.1:${proxy.port}/${kind}:${id}`, proxy, signal)
      rows.push(await rowOf({ name: `${kind}, ${id}`, daemon, image, record, plan, requests, signal }))
    }
    return rows
  } finally {
    await daemon.stop()
  }
}

function byRecord(record: string, options: readonly string[]): string[] {
  return ['--record-in', record, ...options]
}

async function planned(
  daemon: PrivateContainerd,
  source: string,
  record: string,
  options: readonly string[],
  signal: AbortSignal,
): Promise<AnalysisDocument> {
  return await optimizerJson<AnalysisDocument>(daemon, ['plan', source, ...byRecord(record, options)], signal)
}

async function convert(
  daemon: PrivateContainerd,
  source: string,
  target: string,
  options: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  const args = [OPTIMIZER, 'convert', source, target, ...options, ...containerdOptions(daemon)]
  await execute(process.execPath, args, { signal, maxBuffer: Number.POSITIVE_INFINITY })
}

/** What a machine that has never seen the image asks for until its workload has ended. */
async function coldStart(
  reference: string,
  proxy: MeteredProxy,
  signal: AbortSignal,
): Promise<{ requests: WireRequest[]; bytes: number }> {
  const client = await ColdClient.start('lazy', { backgroundFetch: false })
  try {
    const [requestsBefore, bytesBefore] = [proxy.requests.length, proxy.bytes]
    await client.pull(reference, signal)
    await client.run(reference, undefined, signal)
    return { requests: proxy.requests.slice(requestsBefore), bytes: proxy.bytes - bytesBefore }
  } finally {
    await client.stop()
  }
}

interface Started {
  name: string
  daemon: PrivateContainerd
  image: string
  record: string
  plan: AnalysisDocument | null
  requests: { requests: WireRequest[]; bytes: number }
  signal: AbortSignal
}

async function rowOf({
  name,
  daemon,
  image,
  record,
  plan,
  requests,
  signal,
}: Started): Promise<AgreementRow> {
  const analysis = await explained(daemon, image, record)
  const own = ownTime(
    analysis.records[0]?.header ?? null,
    analysis.layers.flatMap(({ files }) => files),
  )
  if (own === undefined) throw new Error(`a record of ours has times: ${await readFile(record, 'utf8')}`)
  // Of bytes and requests any link tells the same.
  const predicted = lazyStart(factsAsIs(analysis, own), LINKS[0] as (typeof LINKS)[number], CLIENT)
  const replay =
    plan === null
      ? replayOf(analysis)
      : (await optimizerJson<ReplayResult>(daemon, ['replay', image, ...PERIOD], signal)).replay
  return agreementRow({ name, plan, analysis, predicted, replay, ...requests })
}

await runBench(async (signal) => {
  const { kinds, json } = readOptions()
  const report = await compare(kinds, signal)
  return json ? `${JSON.stringify(report, null, 2)}\n` : formatAgreement(report)
})
