/** A small image in a layout and a record of it, for commands that plan; a test file calls {@link usePlannedImage} once. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before } from 'node:test'
import { hostPlatform } from '../../optimizer/image/platform.ts'
import type { AnalysisDocument } from '../../optimizer/plan/document.ts'
import { OciLayout } from '../../optimizer/store/oci-layout.ts'
import { resolveImage } from '../../optimizer/store/resolve.ts'
import { formatRecord, type RecordEntry } from '../../shared/record.ts'
import { json } from './in-process.ts'
import { putPlatforms } from './platform-image.ts'
import { recordEntry, sampleRecord } from './sample-record.ts'
import { dir, file, link, symlink, tarOf } from './tar-language.ts'

export const words = (count: number) =>
  Array.from({ length: count }, (_, index) => `word ${index * 7919}`).join(' ')
export const BASE = [
  dir('bin/'),
  file('bin/sh', words(3000)),
  link('bin/ash', 'bin/sh'),
  symlink('sbin', 'bin'),
  file('bin/unused', words(500)),
  file('motd', 'old'),
]
export const APP = [
  dir('app/'),
  file('app/main', words(9000)),
  file('app/data', 'd'.repeat(5000)),
  file('app/opened', words(400)),
  file('app/cold', words(700)),
  file('motd', 'new'),
]

let folder: string
export let manifestDigest: string
export const path = (name: string) => join(folder, name)

export const ONE = ['--workers', '1']
/** The layout is at `path('source')`, the image's tag there is `all`. */
export const plan = (...options: string[]) =>
  json<AnalysisDocument>('plan', `oci:${path('source')}:all`, ...ONE, ...options)

export const entry = (name: string, layerIndex: number, change: Partial<RecordEntry> = {}) =>
  recordEntry(name, {
    layerIndex,
    manifestDigest,
    kinds: ['open', 'read'],
    command: Buffer.from('sh'),
    ...change,
  })

export function writeRecord(
  name: string,
  entries: RecordEntry[],
  change: Parameters<typeof sampleRecord>[1] = {},
): string {
  const image = { reference: 'all', manifestDigest, platform: 'linux/amd64' }
  writeFileSync(path(name), formatRecord(sampleRecord(entries, { image, reads: true, ...change })))
  return path(name)
}

export const hotPaths = ({ layers }: AnalysisDocument) =>
  layers.map(({ files }) => files.filter(({ hot }) => hot).map((hot) => hot.path))

/** Path of it. */
export let record: string

export function usePlannedImage(): void {
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'plan-'))
    const layout = await OciLayout.openForWriting(path('source'))
    await putPlatforms(layout, 'all', [{ platform: hostPlatform(), layers: [tarOf(BASE), tarOf(APP)] }])
    const image = await resolveImage(layout.images, layout.content, 'all', hostPlatform())
    manifestDigest = image.descriptor.digest
    await layout.close()
    record = writeRecord('record.jsonl', [
      entry('bin/ash', 0, { kinds: ['exec'], firstAccessMicroseconds: 1500 }),
      entry('app/main', 1),
      entry('app/opened', 1, { kinds: ['open'] }),
      entry('app/no-such', 1),
      entry('motd', 1),
      entry('elsewhere', 0, { manifestDigest: `sha256:${'f'.repeat(64)}` }),
    ])
  })
  after(() => rmSync(folder, { recursive: true, force: true }))
}
