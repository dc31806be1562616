import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { normalizeReference, referenceCandidates } from '../../optimizer/image/reference.ts'

describe('an image reference is completed as docker completes it', () => {
  const digest = `sha256:${'0'.repeat(64)}`
  const table: [typed: string, whole: string | null][] = [
    ['alpine', 'docker.io/library/alpine:latest'],
    ['alpine:3.20', 'docker.io/library/alpine:3.20'],
    ['user/app', 'docker.io/user/app:latest'],
    ['docker.io/alpine', 'docker.io/library/alpine:latest'],
    ['index.docker.io/user/app:1', 'docker.io/user/app:1'],
    ['localhost/app', 'localhost/app:latest'],
    ['localhost:5000/app', 'localhost:5000/app:latest'],
    ['registry.example/a/b/c:v1', 'registry.example/a/b/c:v1'],
    ['[::1]:5000/app:1', '[::1]:5000/app:1'],
    [`alpine@${digest}`, `docker.io/library/alpine@${digest}`],
    [`alpine:3@${digest}`, `docker.io/library/alpine:3@${digest}`],
    ['Alpine', null],
    ['a//b', null],
    ['app:', null],
    ['app:a b', null],
    ['app@sha256:short', null],
    ['', null],
  ]
  for (const [typed, whole] of table) {
    it(`${JSON.stringify(typed)} is ${whole ?? 'no reference'}`, () =>
      assert.equal(normalizeReference(typed), whole))
  }

  it('is looked up as typed before it is completed', () => {
    assert.deepEqual(referenceCandidates('alpine'), ['alpine', 'docker.io/library/alpine:latest'])
    assert.deepEqual(referenceCandidates('My Image'), ['My Image'])
  })
})
