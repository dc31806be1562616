/**
 * The engine alone: a layer opened (inflated, checked, indexed, spooled) and converted, without a store, beside the
 * floor, which is what the libraries under it take for the same bytes on one thread (engine-floor.ts): alone, and, as two
 * threads are to be compared with, two floors at once. Ours once with one level for all, as the floor has it, and once as
 * it is used: what comes first and the TOC at the best level.
 *
 *   npm run build && node dist/bench/convert-engine.js [--megabytes 200]
 *
 * The layer is made of this machine's /usr. Each measurement is a process of its own: peak memory is a process's.
 * MB are 10^6 bytes of the uncompressed layer.
 */
import { execFile, execFileSync } from 'node:child_process'
import { createReadStream, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { open as openFile } from 'node:fs/promises'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs, promisify } from 'node:util'
import { compressionEngine, type EngineName } from '../native/compression.ts'
import { CompressionPool } from '../optimizer/estargz/compression-pool.ts'
import { estargzFormat } from '../optimizer/estargz/estargz-format.ts'
import { orderEntries } from '../optimizer/estargz/prioritize.ts'
import { writeBlob } from '../optimizer/estargz/writer.ts'
import { type Digest, DigestCounter } from '../optimizer/image/digest.ts'
import { type OpenedLayer, openLayer } from '../optimizer/tar/layer.ts'
import { floor } from './engine-floor.ts'

interface Run {
  engine: EngineName
  level: number
  workers: number
  /** Of floors there are as many as workers, at once. */
  what: 'floor' | 'one level' | 'as shipped'
}

interface Figures {
  wallSeconds: number
  cpuSeconds: number
  outputBytes: number
}

/** What a child prints. */
interface Measurement {
  open: Figures
  convert: Figures
  firstBytes: number
  peakRssBytes: number
}

const NOTHING: Figures = { wallSeconds: 0, cpuSeconds: 0, outputBytes: 0 }
/** What comes first is compressed at the best level: small files, so that it is as much in every /usr. */
const PRIORITIZED_EVERY = 50
const PRIORITIZED_BYTES_MAX = 64 * 1024
const CHUNK_BYTES = 4 * 1024 * 1024
/** In the order of most interest; the tail of /usr is cut off when there are enough. */
const SOURCES = ['usr/lib/python3', 'usr/share', 'usr/bin', 'usr/lib']

async function digestOfFile(path: string): Promise<Digest> {
  const counter = new DigestCounter()
  for await (const piece of createReadStream(path)) counter.update(piece as Buffer)
  return counter.digest()
}

async function measured<T extends { bytes: number }>(work: () => Promise<T>): Promise<[T, Figures]> {
  const cpuBefore = process.cpuUsage()
  const begunAt = performance.now()
  const result = await work()
  const wallSeconds = (performance.now() - begunAt) / 1000
  const { user, system } = process.cpuUsage(cpuBefore)
  return [result, { wallSeconds, cpuSeconds: (user + system) / 1e6, outputBytes: result.bytes }]
}

async function measure(folder: string, diffId: Digest, digest: Digest, run: Run): Promise<Measurement> {
  const blobPath = join(folder, 'layer.tar.gz')
  if (run.what === 'floor') {
    const target = join(folder, `floor-${process.pid}`)
    const [, convert] = await measured(async () => ({ bytes: floor(blobPath, target, run) }))
    return { open: NOTHING, convert, firstBytes: 0, peakRssBytes: process.resourceUsage().maxRSS * 1024 }
  }
  const size = statSync(blobPath).size
  const [{ layer }, open] = await measured(async () => {
    const opened: OpenedLayer = await openLayer({
      blob: createReadStream(blobPath, { highWaterMark: 1024 * 1024 }),
      descriptor: { mediaType: '', digest, size },
      diffId,
      spoolPath: join(folder, `spool-${process.pid}`),
    })
    return { layer: opened, bytes: opened.uncompressedBytes }
  })
  const first = layer.entries.filter(
    ({ index, sizeBytes }) => index % PRIORITIZED_EVERY === 0 && sizeBytes <= PRIORITIZED_BYTES_MAX,
  )
  const paths = first.map(({ path }) => path)
  const [, convert] = await measured(async () => {
    const pool = new CompressionPool({ workers: run.workers })
    const format = estargzFormat({
      engine: run.engine,
      compressionLevel: run.level,
      chunkBytes: CHUNK_BYTES,
      ...(run.what === 'one level' ? { prefetchCompressionLevel: run.level } : {}),
    })
    const file = await openFile(join(folder, 'blob'), 'w')
    const sink = { write: async (bytes: Uint8Array) => void (await file.write(bytes)) }
    const blob = await writeBlob(layer, orderEntries(layer.entries, paths), pool, sink, { format })
    await file.close()
    await pool.close()
    return { bytes: blob.sizeBytes }
  })
  await layer.close()
  const firstBytes = first.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
  return { open, convert, firstBytes, peakRssBytes: process.resourceUsage().maxRSS * 1024 }
}

async function main(megabytes: number): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'hotlayer-bench-'))
  try {
    const tarPath = join(folder, 'layer.tar')
    makeTar(tarPath, megabytes)
    execFileSync('gzip', ['--keep', '-6', tarPath])
    const diffId = await digestOfFile(tarPath)
    const digest = await digestOfFile(`${tarPath}.gz`)
    const tarBytes = statSync(tarPath).size
    rmSync(tarPath)
    const { name, version } = compressionEngine()
    console.log(`${cpus().length} × ${cpus()[0]?.model}, node ${process.versions.node}, ${name} ${version}`)
    console.log(
      `layer: ${megabytesOf(tarBytes)} MB, gzip -6: ${megabytesOf(statSync(`${tarPath}.gz`).size)} MB\n`,
    )
    console.log(
      '| engine | level | threads | | open MB/s | MB/cpu-s | convert MB/s | MB/cpu-s | out MB | peak RSS MiB | × floor wall | × floor CPU |',
    )
    console.log('| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |')
    let firstBytes = 0
    let floor: Measurement | undefined
    for (const run of runs()) {
      const measurement = await inChild(folder, { diffId, digest, run })
      if (run.what === 'floor') floor = measurement
      else firstBytes = measurement.firstBytes
      console.log(row(run, measurement, { tarBytes, floor: floor as Measurement }))
    }
    console.log(`\nfirst, at the best level: ${megabytesOf(firstBytes)} MB`)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** As much of /usr as was asked for. */
function makeTar(tarPath: string, megabytes: number): void {
  const bytes = megabytes * 1e6
  const script = `set +o pipefail; tar -C / --create --format=pax ${SOURCES.join(' ')} 2>/dev/null | head -c ${bytes} >"$0"`
  execFileSync('bash', ['-c', script, tarPath])
  // The cut is inside an entry: GNU tar copies the whole ones.
  execFileSync('bash', [
    '-c',
    'mkdir "$0.d" && tar -C "$0.d" -xf "$0" 2>/dev/null; tar -C "$0.d" --create --format=pax --file "$0" . && rm -r "$0.d"',
    tarPath,
  ])
}

/** Floors with as many of them at once as there are workers: the slowest's wall time, one's processor time. */
async function inChild(
  folder: string,
  request: { diffId: Digest; digest: Digest; run: Run },
): Promise<Measurement> {
  const path = join(folder, 'run.json')
  writeFileSync(path, JSON.stringify({ folder, ...request }))
  const { what, workers } = request.run
  const all = await Promise.all(
    Array.from({ length: what === 'floor' ? workers : 1 }, async () => {
      const { stdout } = await promisify(execFile)(process.execPath, [fileURLToPath(import.meta.url), path])
      return JSON.parse(stdout) as Measurement
    }),
  )
  return all.reduce((one, other) => (one.convert.wallSeconds > other.convert.wallSeconds ? one : other))
}

function runs(): Run[] {
  const engine = compressionEngine().name
  const kinds = [
    { engine, level: 6 },
    ...(engine === 'libdeflate'
      ? [
          { engine, level: 1 },
          { engine: 'zlib' as const, level: 6 },
        ]
      : []),
  ]
  return kinds.flatMap((kind) =>
    [1, 2].flatMap((workers) =>
      (['floor', 'one level', 'as shipped'] as const).map((what) => ({ ...kind, workers, what })),
    ),
  )
}

/** Beside the floor of as many threads: two at once make two layers of it in their time. */
function row(
  { engine, level, workers, what }: Run,
  { open, convert, peakRssBytes }: Measurement,
  { tarBytes, floor }: { tarBytes: number; floor: Measurement },
): string {
  const rate = (seconds: number, layers = 1) =>
    seconds === 0 ? '–' : ((layers * tarBytes) / 1e6 / seconds).toFixed(0)
  const times = (key: 'wallSeconds' | 'cpuSeconds', threads: number) =>
    (((open[key] + convert[key]) * threads) / floor.convert[key]).toFixed(2)
  const cells = [
    engine,
    level,
    workers,
    what,
    rate(open.wallSeconds),
    rate(open.cpuSeconds),
    rate(convert.wallSeconds, what === 'floor' ? workers : 1),
    rate(convert.cpuSeconds),
    megabytesOf(convert.outputBytes),
    (peakRssBytes / 1024 ** 2).toFixed(0),
    times('wallSeconds', what === 'floor' ? 1 : workers),
    times('cpuSeconds', 1),
  ]
  return `| ${cells.join(' | ')} |`
}

function megabytesOf(bytes: number): string {
  return (bytes / 1e6).toFixed(1)
}

const { values, positionals } = parseArgs({
  options: { megabytes: { type: 'string', default: '200' } },
  allowPositionals: true,
})
const [request] = positionals
if (request === undefined) await main(Number(values.megabytes))
else {
  const { folder, diffId, digest, run } = JSON.parse(readFileSync(request, 'utf8')) as {
    folder: string
    diffId: Digest
    digest: Digest
    run: Run
  }
  console.log(JSON.stringify(await measure(folder, diffId, digest, run)))
}
