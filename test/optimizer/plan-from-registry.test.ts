/** `optimizer plan --record-from-registry`: by records that are attached to the image; neither root nor a daemon. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { formatPlatform, hostPlatform, type Platform } from '../../optimizer/image/platform.ts'
import { parseReference, type RegistryReference } from '../../optimizer/image/reference.ts'
import { withSource } from '../../optimizer/open-stores.ts'
import type { AnalysisDocument } from '../../optimizer/plan/document.ts'
import { attachRecord } from '../../optimizer/registry-records.ts'
import { OciLayout } from '../../optimizer/store/oci-layout.ts'
import { type ResolvedImage, resolveImages } from '../../optimizer/store/resolve.ts'
import { FakeRegistry } from '../helpers/fake-registry.ts'
import { run } from '../helpers/in-process.ts'
import { APP, BASE, hotPaths } from '../helpers/planned-image.ts'
import { putPlatforms } from '../helpers/platform-image.ts'
import { recordEntry, sampleRecord } from '../helpers/sample-record.ts'
import { tarOf } from '../helpers/tar-language.ts'

const OTHER: Platform = { os: 'linux', architecture: 's390x' }
const QUIET = { debug() {}, info() {}, warn() {} }
const place = { address: '', namespace: '', directContent: false }

describe('optimizer plan --record-from-registry', () => {
  let folder: string
  let registry: FakeRegistry
  let images: ResolvedImage[]
  const path = (name: string) => join(folder, name)
  const at = (name: string) => `docker://${registry.host}/${name}`
  const reference = (name: string) => parseReference(`${registry.host}/${name}`) as RegistryReference
  const plan = (...options: string[]) =>
    run('plan', at('team/app:1'), '--workers', '1', '--json', '--record-from-registry', ...options)

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'plan-from-registry-'))
    registry = await FakeRegistry.start({ referrers: true })
    const layout = await OciLayout.openForWriting(path('source'))
    const platforms = [
      { platform: hostPlatform(), layers: [tarOf(BASE), tarOf(APP)] },
      { platform: OTHER, layers: [tarOf(BASE)] },
    ]
    await putPlatforms(layout, 'all', platforms)
    await layout.close()
    await run('convert', `oci:${path('source')}:all`, at('team/app:1'), '--all-platforms', '--no-optimize')
    const location = { kind: 'docker' as const, reference: reference('team/app:1') }
    images = await withSource(location, place, async ({ images, content, name }) => {
      return (await resolveImages(images, content, name, 'all')).images
    })
  })
  after(async () => {
    await registry?.stop()
    rmSync(folder, { recursive: true, force: true })
  })

  /** Of the first platform, in layer 1. */
  async function attach(repository: string, started: string, ...names: string[]): Promise<string> {
    const [image] = images as [ResolvedImage]
    const manifestDigest = image.descriptor.digest
    const entries = names.map((name) => recordEntry(name, { layerIndex: 1, manifestDigest }))
    return await attachRecord(
      place,
      reference(repository),
      image,
      sampleRecord(entries, {
        image: { reference: 'all', manifestDigest, platform: formatPlatform(image.platform) },
        started,
      }),
      QUIET,
    )
  }

  it('refuses an image without one, and says how there can be one', async () => {
    await assert.rejects(plan(), {
      code: 'NOT_FOUND',
      message: /team\/app has no record of sha256:.*`optimizer record --attach-record`.*--record-repository$/,
    })
  })

  it('is by the newest, which it names, and by what is given besides', async () => {
    const newest = await attach('team/app', '2026-02-02T00:00:00.000Z', 'app/main', 'app/data')
    await attach('team/app', '2026-01-01T00:00:00.000Z', 'app/cold')
    const { stdout, stderr } = await plan()
    const document: AnalysisDocument = JSON.parse(stdout)
    assert.deepEqual(hotPaths(document), [[], ['app/main', 'app/data']])
    assert.deepEqual(document.records, [{ file: newest, files: 2, complete: true }])
    assert.ok(stderr.includes(`ordered by the record ${newest}\n`), stderr)
    writeFileSync(path('list'), '/app/opened\n')
    const more: AnalysisDocument = JSON.parse((await plan('--prefetch-list', path('list'))).stdout)
    assert.deepEqual(hotPaths(more)[1]?.toSorted(), ['app/data', 'app/main', 'app/opened'])
  })

  it('of several platforms orders those that have one, and tells of the others', async () => {
    const { platforms = [] }: AnalysisDocument = JSON.parse((await plan('--all-platforms')).stdout)
    assert.deepEqual(
      platforms.map(({ platform, sums, warnings }) => [
        platform,
        sums.hotFiles,
        warnings.map(({ code }) => code),
      ]),
      [
        [formatPlatform(hostPlatform()), 2, []],
        ['linux/s390x', 0, ['NOT_ORDERED']],
      ],
    )
  })

  it('looks in another repository where one is named', async () => {
    await attach('team/records', '2026-01-01T00:00:00.000Z', 'app/cold')
    const { stdout } = await plan('--record-repository', at('team/records'))
    assert.deepEqual(hotPaths(JSON.parse(stdout)), [[], ['app/cold']])
  })
})
