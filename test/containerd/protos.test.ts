/** Our descriptions of containerd's API against containerd's own, as Debian's development package has them. */
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { protoFacts } from '../helpers/proto-facts.ts'

const OURS = fileURLToPath(new URL('../../../optimizer/containerd/proto/', import.meta.url))
const THEIRS = {
  'types.proto': ['types/descriptor.proto', 'types/mount.proto'],
  'content.proto': ['services/content/v1/content.proto'],
  'images.proto': ['services/images/v1/images.proto'],
  'leases.proto': ['services/leases/v1/leases.proto'],
  'snapshots.proto': ['services/snapshots/v1/snapshots.proto'],
  'containers.proto': ['services/containers/v1/containers.proto'],
  'tasks.proto': ['services/tasks/v1/tasks.proto', 'types/task/task.proto'],
  'diff.proto': ['services/diff/v1/diff.proto'],
  'introspection.proto': ['services/introspection/v1/introspection.proto'],
  'namespaces.proto': ['services/namespaces/v1/namespace.proto'],
  'version.proto': ['services/version/v1/version.proto'],
}
/** Where the package puts them, installed or unpacked. */
const folder = [...(process.env.GOPATH ?? '').split(delimiter), '/usr/share/gocode']
  .map((path) => join(path, 'src/github.com/containerd/containerd/api'))
  .find((path) => existsSync(path))
const skip =
  folder === undefined &&
  !process.env.CI &&
  'needs golang-github-containerd-containerd-dev: run bin/setup --test'

/** Messages of the task types are part of tasks.proto with us; their package is not on the wire. */
const sameScope = (fact: string) => fact.replace(/^containerd\.v1\.types\./, 'containerd.services.tasks.v1.')

describe("containerd's API as we describe it", { skip }, () => {
  it('is compared file by file, none left out', () => {
    const files = readdirSync(OURS).filter((name) => name.endsWith('.proto'))
    assert.deepEqual(files.sort(), Object.keys(THEIRS).sort())
  })

  for (const [ours, theirs] of Object.entries(THEIRS)) {
    it(`has in ${ours} the names, numbers and types of containerd`, () => {
      const known = new Set<string>()
      for (const path of theirs) {
        const text = readFileSync(join(folder ?? '', path), 'utf8')
        for (const fact of protoFacts(text)) known.add(sameScope(fact))
      }
      const facts = [...protoFacts(readFileSync(join(OURS, ours), 'utf8'))]
      assert.ok(facts.length > 1)
      assert.deepEqual(
        facts.filter((fact) => !known.has(fact)),
        [],
      )
    })
  }
})
