/** Commands on images in a registry: neither root nor a daemon. */
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { hostPlatform, type Platform } from '../../optimizer/image/platform.ts'
import { OciLayout } from '../../optimizer/store/oci-layout.ts'
import { FakeRegistry, fail } from '../helpers/fake-registry.ts'
import { program } from '../helpers/in-process.ts'
import { putPlatforms } from '../helpers/platform-image.ts'
import { dir, file, tarOf } from '../helpers/tar-language.ts'

const OTHER: Platform = { os: 'linux', architecture: 's390x' }
const LOGIN = { username: 'me', password: 'a=b:c' }
const BASE = tarOf([dir('bin/'), file('bin/sh', 'shell '.repeat(9999))])
const APP = tarOf([dir('app/'), file('app/main', 'main'), file('app/data', 'd'.repeat(5000))])

let folder: string
let registry: FakeRegistry
const path = (name: string) => join(folder, name)
const at = (name: string) => `docker://${registry.host}/${name}`

async function run(...args: string[]) {
  return await program(args, {
    HOME: folder,
    DOCKER_CONFIG: '',
    TMPDIR: path('tmp'),
    CONTAINERD_ADDRESS: path('no-daemon'),
  })
}

async function succeed(...args: string[]) {
  const { code, stdout, stderr } = await run(...args)
  assert.equal(code, 0, stderr)
  assert.deepEqual(readdirSync(path('tmp')), [])
  return { stdout, stderr }
}

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'registry-command-'))
  mkdirSync(path('tmp'))
  mkdirSync(path('.docker'))
  registry = await FakeRegistry.start({ login: { kind: 'bearer', ...LOGIN }, mounts: true })
  const auth = Buffer.from(`${LOGIN.username}:${LOGIN.password}`).toString('base64')
  writeFileSync(path('.docker/config.json'), JSON.stringify({ auths: { [registry.host]: { auth } } }))
  const layout = await OciLayout.openForWriting(path('source'))
  const images = [
    { platform: hostPlatform(), layers: [BASE, APP] },
    { platform: OTHER, layers: [BASE] },
  ]
  await putPlatforms(layout, 'all', images, { attested: true })
  await layout.close()
  writeFileSync(path('list'), '/app/data\n')
})
after(async () => {
  await registry?.stop()
  rmSync(folder, { recursive: true, force: true })
})

describe('a registry that does not answer', () => {
  // Far less than the patience with a registry.
  for (const [command = '', ...words] of [
    ['record', '--dry-run'],
    ['config', 'init'],
  ])
    it(`is waited for by ${command} ${words.join(' ')} until Ctrl-C`, { timeout: 20_000 }, async () => {
      const silent = await FakeRegistry.start()
      silent.fault = () => {
        process.emit('SIGINT', 'SIGINT')
        return true
      }
      const { code, stderr } = await run(command, ...words, `docker://${silent.host}/app:1`)
      await silent.stop()
      assert.equal(code, 130, stderr)
    })
})

describe('an image in a registry', () => {
  before(async () => {
    const options = ['--all-platforms', '--attestations', 'keep', '--prefetch-list', path('list')]
    await succeed('convert', `oci:${path('source')}:all`, at('team/app:1'), '--verify', ...options)
  })

  it('is written by convert, and shown by inspect from a few of its bytes', async () => {
    registry.seen = []
    const { stdout } = await succeed('inspect', at('team/app:1'), '--json')
    const inspection = JSON.parse(stdout)
    assert.equal(inspection.name, at('team/app:1'))
    assert.deepEqual(
      inspection.layers.map(({ format, toc }: { format: string; toc: { prioritizedFiles: number } }) => [
        format,
        toc.prioritizedFiles,
      ]),
      [
        ['estargz', 0],
        ['estargz', 1],
      ],
    )
    assert.ok(
      registry.seen.every(
        ({ path: asked, method, range }) => !/layer/.test(asked) || method === 'HEAD' || range,
      ),
    )
  })

  it('is compared by verify with what it was made from', async () => {
    const { stdout } = await succeed(
      'verify',
      `oci:${path('source')}:all`,
      at('team/app:1'),
      '--json',
      '--all-platforms',
    )
    assert.equal(JSON.parse(stdout).equal, true)
  })

  it('goes to another repository, each layer fetched once, also where it is compared afterwards', async () => {
    registry.seen = []
    await succeed(
      'convert',
      at('team/app:1'),
      at('team/zstd:1'),
      '--zstdchunked',
      '--all-platforms',
      '--verify',
    )
    const whole = registry.seen.filter(
      ({ method, path: asked, range }) =>
        method === 'GET' && asked.includes('/team/app/blobs/') && range === undefined,
    )
    const asked = whole.map((one) => one.path)
    assert.equal(asked.length, new Set(asked).size)
  })

  it('keeps its layers where they are as wanted: they are mounted, not copied', async () => {
    registry.seen = []
    const { stdout } = await succeed('convert', at('team/app:1'), at('team/same:1'), '--reuse', '--json')
    const { layers } = JSON.parse(stdout)
    assert.deepEqual(
      layers.map(({ reused }: { reused: boolean }) => reused),
      [true, true],
    )
    const mounts = registry.seen.filter(({ path: asked }) => asked.includes('?mount='))
    assert.deepEqual(
      mounts.map(({ status }) => status),
      [201, 201],
    )
  })

  it('has its tables of contents under a second tag where they are not inside', async () => {
    const options = ['--estargz-external-toc', '--no-optimize']
    await succeed('convert', `oci:${path('source')}:all`, at('team/toc:1'), ...options, '--verify')
    const { stdout } = await succeed('inspect', at('team/toc:1'), '--json')
    assert.equal(JSON.parse(stdout).tocImage.name, at('team/toc:1-esgztoc'))
  })

  it('is refused with what is wrong: nobody there, no such tag, a digest to write to, no way in', async () => {
    for (const [args, code, message] of [
      [['inspect', at('team/app:2')], 3, /no tag 2 of 127.*team\/app/],
      [['inspect', at('team/app:1'), '--creds', 'me:wrong'], 3, /does not let me in/],
      [['inspect', 'docker://127.0.0.1:1/a'], 3, /127\.0\.0\.1:1 cannot be reached/],
      [['inspect', at('team/app:1'), '--creds', 'me'], 2, /--creds "…"/],
      [['inspect', at('team/app:1'), '--plain-http=false'], 3, /no trusted TLS connection|cannot be reached/],
      [['inspect', at('team/app:1'), '--registry-key', 'k'], 2, /--registry-cert/],
      [['convert', at('team/app:1'), `${at('team/app')}@sha256:${'0'.repeat(64)}`], 2, /names a digest/],
      [
        ['convert', at('team/app:1'), 'docker://other.example/a:1', '--creds', 'a:b'],
        2,
        /HOST=USER:PASSWORD/,
      ],
      [['convert', at('team/app:1'), at('team/b:1'), '--record-from-registry'], 3, /has no record of sha256/],
    ] as const) {
      const result = await run(...args)
      assert.equal(result.code, code, `${args.join(' ')}: ${result.stderr}`)
      assert.match(result.stderr, message)
      assert.ok(!result.stderr.includes(LOGIN.password), 'a password is shown')
    }
  })

  it('does not appear where the registry stops taking it', async () => {
    registry.fault = (request, response) => {
      const refuses = request.method === 'PUT' && (request.url ?? '').includes('/manifests/sha256')
      if (refuses) fail(response, 403, 'DENIED', 'over the quota')
      return refuses
    }
    try {
      const { code, stderr } = await run(
        'convert',
        `oci:${path('source')}:all`,
        at('team/half:1'),
        '--no-optimize',
      )
      assert.equal(code, 3, stderr)
      assert.match(stderr, /does not allow me.*over the quota/)
      assert.equal(registry.manifests.get('team/half'), undefined)
    } finally {
      registry.fault = () => false
    }
  })
})
