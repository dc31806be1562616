import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { gzipSync } from 'node:zlib'
import { digestOf } from '../../optimizer/image/digest.ts'
import { hostPlatform } from '../../optimizer/image/platform.ts'
import { DockerArchive } from '../../optimizer/store/docker-archive.ts'
import { requireBlobs } from '../../optimizer/store/missing.ts'
import { resolveImages } from '../../optimizer/store/resolve.ts'
import { bytesOf } from '../helpers/registry-client.ts'
import { dir, file, symlink, tarOf } from '../helpers/tar-language.ts'

const LAYER = tarOf([dir('a/'), file('a/b', 'content')])
const CONFIG = JSON.stringify({
  ...hostPlatform(),
  config: {},
  rootfs: { type: 'layers', diff_ids: [digestOf(LAYER), digestOf(LAYER)] },
})
const CONFIG_FILE = `${digestOf(CONFIG).slice('sha256:'.length)}.json`

let folder: string
before(() => {
  folder = mkdtempSync(join(tmpdir(), 'docker-archive-'))
})
after(() => rmSync(folder, { recursive: true }))

const TAGS = ['team/app:1', 'registry.example/app:2']

function archive(entries: Parameters<typeof tarOf>[0], layers: string[], tags = TAGS): string {
  const path = join(folder, 'image.tar')
  const images = [{ Config: CONFIG_FILE, RepoTags: tags, Layers: layers }]
  writeFileSync(path, tarOf([...entries, file('manifest.json', JSON.stringify(images))]))
  return path
}

/** What `docker save` wrote for years: a layer that comes twice is a link to the first. */
const old = () =>
  archive(
    [
      dir('one/'),
      file('one/layer.tar', LAYER),
      dir('two/'),
      symlink('two/layer.tar', '../one/layer.tar'),
      file(CONFIG_FILE, CONFIG),
    ],
    ['one/layer.tar', 'two/layer.tar'],
  )

describe('an archive of docker', () => {
  it('is read with its layers, by the only image, a tag as docker completes it, or the digest', async () => {
    const opened = await DockerArchive.openForReading(old())
    const resolved = await resolveImages(opened.images, opened.content, '', [hostPlatform()])
    await requireBlobs(opened, resolved)
    assert.equal(resolved.name, `docker-archive:${join(folder, 'image.tar')}`)
    const { manifest } = resolved.images[0] ?? assert.fail()
    assert.deepEqual(
      manifest.layers.map(({ digest, size }) => [digest, size]),
      [1, 2].map(() => [digestOf(LAYER), LAYER.length]),
    )
    assert.deepEqual(await bytesOf(opened.content.read(digestOf(LAYER))), LAYER)
    for (const name of [
      'team/app:1',
      'docker.io/team/app:1',
      'registry.example/app:2',
      `@${resolved.root.digest}`,
    ])
      assert.deepEqual((await opened.find(name)).target, resolved.root, name)
    await assert.rejects(opened.find('team/app:3'), { code: 'NOT_FOUND', message: /it holds team\/app:1/ })
    await opened.close()
  })

  it('gives an image by a tag that is no reference by that very text alone', async () => {
    const entries = [file('layer.tar', LAYER), file(CONFIG_FILE, CONFIG)]
    const opened = await DockerArchive.openForReading(
      archive(entries, ['layer.tar', 'layer.tar'], ['Team/App:1']),
    )
    await opened.find('Team/App:1')
    await assert.rejects(opened.find('Other/App:1'), { code: 'NOT_FOUND', message: /it holds Team\/App:1/ })
    await opened.close()
  })

  it('may have its layers compressed, under their digests or not', async () => {
    const zipped = gzipSync(LAYER)
    const named = `blobs/sha256/${digestOf(zipped).slice('sha256:'.length)}`
    const path = archive(
      [file(named, zipped), file('other', zipped), file(CONFIG_FILE, CONFIG)],
      [named, 'other'],
    )
    const opened = await DockerArchive.openForReading(path)
    const { images } = await resolveImages(opened.images, opened.content, '', [hostPlatform()])
    assert.deepEqual(
      images[0]?.manifest.layers.map(({ digest }) => digest),
      [digestOf(zipped), digestOf(zipped)],
    )
    await opened.close()
  })

  it('is refused where it leads out of itself, or names what it does not hold', async () => {
    const layer = file('one/layer.tar', LAYER)
    const config = file(CONFIG_FILE, CONFIG)
    for (const [write, message] of [
      [() => archive([layer, config], ['one/layer.tar', 'two/layer.tar']), /two\/layer\.tar.*no file in it/],
      [() => archive([layer, config], ['one/layer.tar']), /2 diff IDs for 1 layers/],
      [
        () => archive([layer, config, symlink('l', '/etc/passwd')], ['one/layer.tar', 'l']),
        /"l".*no file in it/,
      ],
      [() => archive([layer, config, symlink('l', 'l')], ['one/layer.tar', 'l']), /"l".*no file in it/],
      [() => archive([layer, config, file('../x', '')], ['one/layer.tar']), /leads out of the archive/],
      [() => archive([layer], ['one/layer.tar']), /\.json.*no file in it/],
    ] as [() => string, RegExp][])
      await assert.rejects(DockerArchive.openForReading(write()), { code: 'ARCHIVE_INVALID', message })
    writeFileSync(join(folder, 'image.tar'), tarOf([file('manifest.json', '[{}]')]))
    await assert.rejects(DockerArchive.openForReading(join(folder, 'image.tar')), { code: 'ARCHIVE_INVALID' })
  })
})
