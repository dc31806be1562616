import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { MEDIA_TYPE } from '../../optimizer/image/descriptor.ts'
import { digestOf } from '../../optimizer/image/digest.ts'
import { attachArtifact, findArtifacts } from '../../optimizer/registry/referrers.ts'
import type { Repository } from '../../optimizer/registry/repository.ts'
import { type FakeRegistry, fail } from '../helpers/fake-registry.ts'
import { type Mirrored, withMirrors } from '../helpers/mirrored-registry.ts'
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

describe('a registry that tells referrers in pages', () => {
  it('is asked for all of them, and where that has no end, not for ever', async () => {
    await withFake({ referrers: true }, {}, async ({ registry, repository }) => {
      const pageOf = (number: number) => ({
        schemaVersion: 2,
        manifests: [{ ...SUBJECT, digest: digestOf(String(number)), artifactType: TYPE }],
      })
      let pages = 3
      registry.fault = ({ url = '' }, response) => {
        const number = Number(new URL(url, 'http://fake').searchParams.get('page') ?? 1)
        const path = `/v2/team/app/referrers/${SUBJECT.digest}?page=${number + 1}`
        const link = number < pages ? { link: `<${path}>; rel="next"` } : {}
        response.writeHead(200, { 'content-type': MEDIA_TYPE.ociIndex, ...link })
        response.end(JSON.stringify(pageOf(number)))
        return true
      }
      const found = await findArtifacts(repository, SUBJECT.digest, TYPE)
      assert.deepEqual(
        found.map(({ digest }) => digest),
        ['1', '2', '3'].map((text) => digestOf(text)),
      )
      pages = Number.POSITIVE_INFINITY
      assert.equal((await findArtifacts(repository, SUBJECT.digest, TYPE)).length, 100)
    })
  })
})

describe('a registry that has answered that there are none', () => {
  it('has none, also where it says of the tag, which is not there, that it is forbidden', async () => {
    for (const [referrers, status] of [
      [true, 401],
      [true, 403],
      [false, 403],
    ] as const)
      await withFake({ referrers }, {}, async ({ registry, repository }) => {
        registry.fault = ({ url = '' }, response) => {
          if (url.includes('/manifests/')) fail(response, status, 'DENIED', 'no')
          return url.includes('/manifests/')
        }
        const finding = findArtifacts(repository, SUBJECT.digest, TYPE)
        if (referrers) assert.deepEqual(await finding, [])
        else await assert.rejects(finding, { code: 'REGISTRY_DENIED' })
      })
  })
})

describe('the tag that lists artifacts', () => {
  it('is gone on from as the registry has it, not as a mirror has had it', async () => {
    await withMirrors(1, async ({ mirrors: [mirror], own, repository }) => {
      const tag = SUBJECT.digest.replace(':', '-')
      mirror?.addManifest('team/app', tag, MEDIA_TYPE.ociIndex, { schemaVersion: 2, manifests: [] })
      for (const text of ['one', 'two']) await attachArtifact(repository, artifact(text))
      const index = JSON.parse(own.manifests.get('team/app')?.get(tag)?.bytes.toString() ?? '{}')
      const texts = index.manifests.map(
        (descriptor: { annotations: { text: string } }) => descriptor.annotations.text,
      )
      assert.deepEqual(texts, ['one', 'two'])
    })
  })
})

describe('what is attached in a registry with a mirror that is behind', () => {
  const tag = SUBJECT.digest.replace(':', '-')
  const textsOf = async (repository: Repository) =>
    (await findArtifacts(repository, SUBJECT.digest, TYPE)).map(({ annotations }) => annotations?.text)
  const manifest = { mediaType: MEDIA_TYPE.ociManifest, digest: digestOf('old'), size: 3 }
  const stale = {
    schemaVersion: 2,
    manifests: [{ ...manifest, artifactType: TYPE, annotations: { text: 'old' } }],
  }

  it('is asked for in the registry, by API and by tag, whatever tags the mirror may resolve', async () => {
    await withMirrors(1, async ({ mirrors: [mirror], own, repository }) => {
      mirror?.addManifest('team/app', tag, MEDIA_TYPE.ociIndex, stale)
      await attachArtifact(repository, artifact('new'))
      own.seen = []
      assert.deepEqual(await textsOf(repository), ['new'])
      assert.deepEqual(mirror?.seen, [])
      assert.deepEqual(own.calls(), [
        `GET /v2/team/app/referrers/${SUBJECT.digest}`,
        `GET /v2/team/app/manifests/${tag}`,
      ])
    })
  })

  it('is asked for at the mirror first where that may list it, and in the registry where the mirror does not know', async () => {
    const ask = async ({ mirrors: [mirror], repository }: Mirrored) => {
      await attachArtifact(repository, artifact('new'))
      assert.deepEqual(await textsOf(repository), ['new'])
      mirror?.addManifest('team/app', tag, MEDIA_TYPE.ociIndex, stale)
      assert.deepEqual(await textsOf(repository), ['old'])
    }
    await withMirrors(1, ask, ['pull', 'referrers'])
  })

  it('is asked for at those that may resolve where no host says that it may list it', async () => {
    const ask = async ({ mirrors: [mirror], own, repository }: Mirrored) => {
      own.addManifest('team/app', tag, MEDIA_TYPE.ociIndex, stale)
      assert.deepEqual(await textsOf(repository), ['old'])
      const kinds = ({ seen }: FakeRegistry) => seen.map(({ path }) => path.split('/')[4])
      for (const registry of [mirror as FakeRegistry, own])
        assert.deepEqual(kinds(registry), ['referrers', 'manifests'])
    }
    await withMirrors(1, ask, ['pull', 'resolve'], ['pull', 'resolve'])
  })
})

describe('a registry that lists referrers and tells nothing true of them', () => {
  it('gives them by the tag that lists them, too', async () => {
    await withFake({}, {}, async ({ registry, repository }) => {
      registry.fault = ({ url = '' }, response) => {
        if (!url.includes('/referrers/')) return false
        const untyped = {
          ...SUBJECT,
          digest: digestOf('an artifact'),
          artifactType: 'application/vnd.oci.empty.v1+json',
        }
        response.writeHead(200, { 'content-type': MEDIA_TYPE.ociIndex })
        response.end(JSON.stringify({ schemaVersion: 2, manifests: [untyped] }))
        return true
      }
      assert.deepEqual(await findArtifacts(repository, SUBJECT.digest, TYPE), [])
      await attachArtifact(repository, artifact('one'))
      const found = await findArtifacts(repository, SUBJECT.digest, TYPE)
      assert.deepEqual(
        found.map(({ annotations }) => annotations?.text),
        ['one'],
      )
    })
  })
})
