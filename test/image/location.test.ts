import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { digestOf } from '../../optimizer/image/digest.ts'
import { formatLocation, nameInStore, parseLocation } from '../../optimizer/image/location.ts'

const DIGEST = digestOf('a manifest')
const parse = (text: string) => parseLocation('source', text)

describe('what is written where an image is meant', () => {
  it('is a name in containerd, whatever it looks like', () => {
    for (const name of ['alpine', 'docker:20.10', 'localhost:5000/oci:1', 'registry.example/a/b:c@sha256:0'])
      assert.deepEqual(parse(name), { kind: 'containerd', name })
  })

  it('is a layout in a folder, with a tag, a digest or nothing', () => {
    assert.deepEqual(parse('oci:some/dir'), { kind: 'oci', path: 'some/dir', reference: null })
    assert.deepEqual(parse('oci:/dir:1.0'), { kind: 'oci', path: '/dir', reference: { tag: '1.0' } })
    assert.deepEqual(parse(`oci:dir@${DIGEST}`), { kind: 'oci', path: 'dir', reference: { digest: DIGEST } })
  })

  it('is an archive, whose tag may be a whole reference', () => {
    const reference = { tag: 'docker.io/library/python:3' }
    assert.deepEqual(parse('oci-archive:py.tar:docker.io/library/python:3'), {
      kind: 'oci-archive',
      path: 'py.tar',
      reference,
    })
  })

  it('is a name in a registry, completed as docker does', () => {
    const reference = { registry: 'docker.io', repository: 'library/alpine', tag: 'latest', digest: null }
    assert.deepEqual(parse('docker://alpine'), { kind: 'docker', reference })
    assert.equal(formatLocation(parse('docker://alpine')), 'docker://docker.io/library/alpine:latest')
    const texts = [
      `docker://[::1]:5000/a/b:1@${DIGEST}`,
      `docker://localhost:5000/a@${DIGEST}`,
      'docker://r.example/a:1',
    ]
    assert.deepEqual(
      texts.map((text) => formatLocation(parse(text))),
      texts,
    )
    assert.equal(nameInStore(parse('docker://r.example/a:1')), 'r.example/a:1')
  })

  it('comes back as the same text, and asks its store for tag, digest or nothing', () => {
    const texts = [
      'alpine:3',
      'oci:dir',
      'oci:dir:a',
      `oci:dir@${DIGEST}`,
      'oci-archive:f.tar:b',
      'docker-archive:f.tar',
    ]
    assert.deepEqual(
      texts.map((text) => formatLocation(parse(text))),
      texts,
    )
    assert.deepEqual(texts.map(parse).map(nameInStore), ['alpine:3', '', 'a', `@${DIGEST}`, 'b', ''])
  })

  it('is refused where it names no file, no tag, or a store that is not known here', () => {
    for (const text of [
      '',
      'oci:',
      'oci::tag',
      'oci:dir:',
      'oci:dir:ä',
      'oci-archive:f:-x',
      'docker://',
      'docker://Alpine',
      'docker://a@sha256:0',
      `docker://a@sha512:${'0'.repeat(128)}`,
      `docker://r.example/${'a/'.repeat(130)}b`,
      'docker-daemon:alpine',
      'docker-archive:',
      './dir',
      '/image.tar',
    ])
      assert.throws(() => parse(text), { code: 'IMAGE_ARGUMENT_INVALID', exitCode: 2, message: /<source>/ })
  })
})
