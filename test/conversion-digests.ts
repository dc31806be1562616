/**
 * An image, and what conversions make of it, for two machines that are to make the same (`npm run test:matrix -- --arm64`).
 *
 *   node dist/test/conversion-digests.js make FOLDER     the image, as an OCI layout in FOLDER/source
 *   node dist/test/conversion-digests.js FOLDER          a line for each of the conversions: its options, a tab, its digests
 */
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { OciLayout } from '../optimizer/store/oci-layout.ts'
import { json } from './helpers/in-process.ts'
import { putPlatforms } from './helpers/platform-image.ts'
import { dir, file, link, symlink, tarOf } from './helpers/tar-language.ts'

/** Every engine at levels with other ways to look for matches, all formats, and what changes where chunks end. */
const CONVERSIONS = [
  '--compression-engine libdeflate',
  '--compression-engine libdeflate --fast',
  '--compression-engine libdeflate --small',
  '--compression-engine libdeflate --estargz-chunk-size 64KiB',
  '--compression-engine libdeflate --estargz-min-chunk-size 64KiB',
  '--compression-engine libdeflate --estargz-external-toc',
  '--compression-engine libdeflate --estargz-external-toc --estargz-keep-diff-id --no-optimize',
  '--compression-engine zlib --estargz-compression-level 1',
  '--compression-engine zlib',
  '--compression-engine zlib --small',
  '--zstdchunked --zstdchunked-compression-level 1',
  '--zstdchunked',
  '--zstdchunked --zstdchunked-compression-level 19',
  '--zstdchunked --zstdchunked-chunk-size 64KiB',
  '--zstdchunked --zstdchunked-dialect containers',
  '--uncompress --no-optimize',
]

const [first = '', second] = process.argv.slice(2)
if (first === 'make') await makeImage(second ?? '')
else for (const options of CONVERSIONS) process.stdout.write(`${options}\t${await digests(first, options)}\n`)

/** Text and machine code as programs have them, what cannot be compressed, and entries of many kinds. */
async function makeImage(folder: string): Promise<void> {
  const here = import.meta.dirname
  const scripts = readdirSync(here)
    .filter((name) => name.endsWith('.js'))
    .map((name) => file(`app/${name}`, readFileSync(join(here, name)), { mtime: 1700000000 }))
  const code = readFileSync(process.execPath).subarray(0, 2 ** 20)
  const base = tarOf([
    dir('bin/'),
    file('bin/code', code),
    link('bin/same', 'bin/code'),
    file('noise', noise(300_000)),
  ])
  const many = Array.from({ length: 300 }, (_, index) => file(`many/${index}`, `${index} `.repeat(index)))
  const app = tarOf([
    dir('app/'),
    ...scripts,
    symlink('app/link', 'main.js'),
    file('app/zeros', Buffer.alloc(200_000)),
    file(`app/${'long-name/'.repeat(20)}x`, 'x', { format: 'pax', xattrs: { 'user.a': 'é' }, mtime: '1.25' }),
    ...many,
  ])
  const layout = await OciLayout.openForWriting(join(folder, 'source'))
  await putPlatforms(layout, 'all', [
    { platform: { os: 'linux', architecture: 'amd64' }, layers: [base, app] },
    { platform: { os: 'linux', architecture: 'arm64' }, layers: [app] },
  ])
  await layout.close()
  writeFileSync(join(folder, 'list'), 'many/7\napp/run.js\nbin/same\nmany/1*\n')
}

/** The same bytes wherever it runs: xorshift. */
function noise(sizeBytes: number): Buffer {
  let state = 88172645
  const next = () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return state & 0xff
  }
  return Buffer.from(Uint8Array.from({ length: sizeBytes }, next))
}

/** Of the image, and of that with its TOCs where there is one. */
async function digests(folder: string, options: string): Promise<string> {
  const target = join(folder, `target-${process.pid}`)
  const words = options.split(' ')
  const order = words.includes('--no-optimize') ? [] : ['--prefetch-list', join(folder, 'list')]
  try {
    const { target: image, tocImage } = await json<{ target: Named; tocImage: Named | null }>(
      ...['convert', `oci:${join(folder, 'source')}:all`, `oci:${target}:all`, '--all-platforms'],
      ...[...order, ...words],
    )
    return [image, tocImage]
      .map((named) => named?.digest ?? '')
      .join(' ')
      .trim()
  } finally {
    rmSync(target, { recursive: true, force: true })
  }
}

interface Named {
  digest: string
}
