import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { MEDIA_TYPE } from '../../optimizer/image/descriptor.ts'
import { digestOf } from '../../optimizer/image/digest.ts'
import { attachArtifact, findArtifacts } from '../../optimizer/registry/referrers.ts'
import { withFake } from '../helpers/registry-client.ts'

const TYPE = 'application/vnd.example.v1'
/** Not in the repository: it need not be. */
const SUBJECT = { mediaType: MEDIA_TYPE.ociManifest, digest: digestOf('a manifest'), size: 10 }

function artifact(text: string, artifactType = TYPE) {
  const content = { mediaType: 'text/plain', bytes: Buffer.from(text), annotations: { title: text } }
  return { artifactType, subject: SUBJECT, content, annotations: { text } }
}

for (const referrers of [true, false])
  describe(`artifacts about a manifest, in a registry ${referrers ? 'that knows referrers' : 'that does not'}`, () => {
    it('are found by it, with their annotations, and each but once', async () => {
      await withFake({ referrers }, {}, async ({ registry, repository }) => {
        assert.deepEqual(await findArtifacts(repository, SUBJECT.digest, TYPE), [])
        for (const text of ['one', 'two', 'one']) await attachArtifact(repository, artifact(text))
        await attachArtifact(repository, artifact('other', 'application/vnd.other.v1'))
        const found = await findArtifacts(repository, SUBJECT.digest, TYPE)
        assert.deepEqual(found.map(({ annotations }) => annotations?.text).sort(), ['one', 'two'])
        const tags = [...(registry.manifests.get('team/app')?.keys() ?? [])].filter(
          (name) => !name.includes(':'),
        )
        assert.deepEqual(tags, referrers ? [] : [SUBJECT.digest.replace(':', '-')])
      })
    })

    it('hold what was attached', async () => {
      await withFake({ referrers }, {}, async ({ registry, repository }) => {
        const digest = await attachArtifact(repository, artifact('content'))
        const { bytes } = await repository.manifest(digest)
        const { artifactType, subject, config, layers } = JSON.parse(bytes.toString())
        assert.deepEqual([artifactType, subject], [TYPE, SUBJECT])
        assert.deepEqual(registry.blobs.get('team/app')?.get(config.digest)?.toString(), '{}')
        assert.deepEqual(registry.blobs.get('team/app')?.get(layers[0].digest)?.toString(), 'content')
      })
    })
  })
