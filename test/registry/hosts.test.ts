import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { MEDIA_TYPE } from '../../optimizer/image/descriptor.ts'
import { RegistryAccess } from '../../optimizer/registry/access.ts'
import { endpointsOf } from '../../optimizer/registry/endpoints.ts'
import { proxyFor } from '../../optimizer/registry/proxy.ts'
import { FakeRegistry, testSettings } from '../helpers/fake-registry.ts'

let folder: string
before(() => {
  folder = mkdtempSync(join(tmpdir(), 'hosts-'))
})
after(() => rmSync(folder, { recursive: true }))

function hosts(registry: string, text: string): void {
  mkdirSync(join(folder, registry), { recursive: true })
  writeFileSync(join(folder, registry, 'hosts.toml'), text)
}

const settings = () => testSettings(tmpdir(), { hostsFolders: [folder] })
const bases = (registry: string) => endpointsOf(registry, settings()).map(({ base }) => base.href)

describe('the hosts of a registry', () => {
  it('are itself: docker.io where it lives, the loopback by http', () => {
    assert.deepEqual(bases('docker.io'), ['https://registry-1.docker.io/v2'])
    assert.deepEqual(bases('registry.example:5000'), ['https://registry.example:5000/v2'])
    for (const host of ['localhost:5000', '127.0.0.9:5000', '[::1]:5000'])
      assert.deepEqual(bases(host), [`http://${host}/v2`])
    assert.deepEqual(bases('localhost:443'), ['https://localhost/v2'])
    const plain = { ...settings(), plainHttp: true }
    assert.equal(endpointsOf('registry.example', plain)[0]?.base.protocol, 'http:')
    assert.equal(endpointsOf('docker.io', plain)[0]?.base.protocol, 'https:')
    const https = { ...settings(), plainHttp: false }
    assert.equal(endpointsOf('localhost:5000', https)[0]?.base.protocol, 'https:')
    const trusting = { ...settings(), tls: { caFile: 'ca.pem', certFile: null, keyFile: null } }
    assert.equal(endpointsOf('localhost:5000', trusting)[0]?.base.protocol, 'https:')
  })

  it("are those of containerd's file before itself, with their paths and capabilities", () => {
    hosts(
      'registry.example_5000_',
      `server = "https://registry.example:5000"
[host."http://mirror.example/cache"]
  capabilities = ["pull"]
[host."https://odd.example/v2/proxy"]
  override_path = true
  skip_verify = true
  ca = "odd.pem"
  client = [["c.pem", "k.pem"]]
  [host."https://odd.example/v2/proxy".header]
    x-team = ["a", "b"]
`,
    )
    const [mirror, odd, own] = endpointsOf('registry.example:5000', settings())
    assert.deepEqual(bases('registry.example:5000'), [
      'http://mirror.example/cache/v2',
      'https://odd.example/v2/proxy',
      'https://registry.example:5000/v2',
    ])
    assert.deepEqual([mirror?.capabilities, mirror?.isMirror, own?.isMirror], [['pull'], true, false])
    const path = (name: string) => join(folder, 'registry.example_5000_', name)
    assert.deepEqual(odd?.headers, { 'x-team': 'a, b' })
    assert.deepEqual(odd?.certificates[0], {
      ca: [path('odd.pem')],
      clients: [{ certificate: path('c.pem'), key: path('k.pem') }],
      isUnchecked: true,
    })
  })

  it('are asked as the file says, also where that does not name the registry itself', () => {
    hosts('unnamed.example', 'ca = "own.pem"\nskip_verify = true\n[header]\nx-team = "a"\n')
    const [own, ...others] = endpointsOf('unnamed.example', settings())
    assert.deepEqual(others, [])
    assert.equal(own?.base.href, 'https://unnamed.example/v2')
    const ca = [join(folder, 'unnamed.example', 'own.pem')]
    assert.deepEqual(own?.certificates[0], { ca, clients: [], isUnchecked: true })
    assert.deepEqual(own?.headers, { 'x-team': 'a' })
  })

  it('can do everything where the file names nothing that they can', () => {
    hosts(
      'able.example',
      '[host."https://one.example"]\ncapabilities = []\n[host."https://two.example"]\ncapabilities = ["Pull"]',
    )
    const [one, two] = endpointsOf('able.example', settings())
    assert.deepEqual(one?.capabilities, ['pull', 'resolve', 'push', 'referrers'])
    assert.deepEqual(two?.capabilities, ['pull'])
  })

  it('are those for all registries only where there is no folder for the registry', () => {
    hosts('_default', '[host."https://for-all.example"]')
    mkdirSync(join(folder, 'certificates.example'))
    try {
      assert.deepEqual(bases('other.example'), ['https://for-all.example/v2', 'https://other.example/v2'])
      assert.deepEqual(bases('certificates.example'), ['https://certificates.example/v2'])
    } finally {
      rmSync(join(folder, '_default'), { recursive: true })
    }
  })

  it('have no login in their address: it is left out, as containerd leaves it out', () => {
    hosts('login.example', '[host."https://me:secret@mirror.example"]')
    assert.equal(bases('login.example')[0], 'https://mirror.example/v2')
  })

  it('are told with file and key where the file is wrong', () => {
    for (const [text, message] of [
      ['server = 1', /bad\.example\/hosts\.toml: server must be/],
      ['[host."ftp://x"]', /only http and https/],
      ['[host."ftp://me:secret@x"]', /hosts\.toml: ftp:\/\/x: only http and https/],
      ['[host."https://me:secret@x:y"]', /hosts\.toml: "https:\/\/x:y" is no address/],
      ['[host."https://me:sec/ret@x"]', /hosts\.toml: "https:\/\/x" is no address/],
      ['[host."me:sec/ret@x"]', /hosts\.toml: "x" is no address/],
      ['[host."https://x"]\ncapabilities = ["fly"]', /"fly" is no capability/],
      ['server = ', /hosts\.toml/],
    ] as const) {
      hosts('bad.example', text)
      assert.throws(() => bases('bad.example'), { code: 'REGISTRY_CONFIG_INVALID', message }, text)
    }
  })

  it('are asked one after the other: what a mirror lacks the registry has, and writes go to it alone', async () => {
    const [mirror, own] = [await FakeRegistry.start(), await FakeRegistry.start()]
    const access = new RegistryAccess(settings())
    try {
      hosts(
        own.host.replace(/:(\d+)$/, '_$1_'),
        `[host."http://127.0.0.1:1"]\n[host."http://${mirror.host}"]\ncapabilities = ["pull", "resolve"]\n`,
      )
      const repository = access.repository(own.host, 'team/app', 'write')
      const document = { schemaVersion: 2, manifests: [] }
      const both = mirror.addManifest('team/app', 'both', MEDIA_TYPE.ociIndex, document)
      own.addManifest('team/app', 'own', MEDIA_TYPE.ociIndex, { ...document, annotations: { a: 'b' } })
      assert.equal((await repository.manifest('both')).digest, both)
      assert.deepEqual(own.calls(), [])
      assert.deepEqual(mirror.calls(), [`GET /v2/team/app/manifests/both?ns=${encodeURIComponent(own.host)}`])
      await repository.manifest('own')
      mirror.fault = (_, response) => {
        response.writeHead(500).end()
        return true
      }
      const blob = own.addBlob('team/app', Buffer.from('only here'))
      assert.equal(await repository.blobBytes(blob), 9)
      assert.deepEqual(own.calls(), ['GET /v2/team/app/manifests/own', `HEAD /v2/team/app/blobs/${blob}`])
    } finally {
      await access.close()
      await mirror.stop()
      await own.stop()
    }
  })
})

describe('a registry whose mirror may be written to', () => {
  it('gets nothing of what is written: all goes to the one, or fails there', async () => {
    const own = await FakeRegistry.start()
    const access = new RegistryAccess(settings())
    try {
      hosts(own.host.replace(/:(\d+)$/, '_$1_'), '[host."http://127.0.0.1:1"]\n')
      const repository = access.repository(own.host, 'team/app', 'write')
      const blob = own.addBlob('team/app', Buffer.from('read from here'))
      assert.equal(await repository.blobBytes(blob), 14)
      await assert.rejects(repository.hasForWriting(blob), {
        code: 'REGISTRY_UNREACHABLE',
        message: /^127\.0\.0\.1:1 /,
      })
    } finally {
      await access.close()
      await own.stop()
    }
  })
})

describe('a registry that cannot be reached', () => {
  it('is told with its name and what to do', async () => {
    const access = new RegistryAccess(settings())
    const of = (registry: string) => access.repository(registry, 'team/app', 'read').manifest('v1')
    try {
      await assert.rejects(of('127.0.0.1:1'), {
        code: 'REGISTRY_UNREACHABLE',
        message: /127\.0\.0\.1:1 cannot be reached.*ECONNREFUSED/,
      })
      await assert.rejects(of('registry.invalid'), {
        code: 'REGISTRY_UNREACHABLE',
        message: /registry\.invalid.*HTTPS_PROXY/,
      })
    } finally {
      await access.close()
    }
  })
})

describe('a proxy', () => {
  const environment = {
    HTTPS_PROXY: 'http://proxy:3128',
    no_proxy: 'a.example,.b.example,10.0.0.0/8,c.example:5000, [::2]',
  }
  const of = (url: string) => proxyFor(new URL(url), environment)?.href ?? null

  it('is used but for whom NO_PROXY names, by name, network and port, and but for the loopback', () => {
    for (const url of [
      'https://x.example/',
      'https://ba.example/',
      'https://c.example/',
      'https://11.0.0.1/',
    ])
      assert.equal(of(url), 'http://proxy:3128/', url)
    for (const url of [
      'https://a.example/',
      'https://x.a.example/',
      'https://b.example/',
      'https://x.b.example/',
      'https://10.1.2.3/',
      'https://c.example:5000/',
      'https://localhost:5000/',
      'https://127.0.0.1/',
      'https://[::2]/',
      'http://x.example/',
    ])
      assert.equal(of(url), null, url)
    assert.equal(proxyFor(new URL('http://x/'), { http_proxy: 'proxy:1' })?.href, 'http://proxy:1/')
    assert.equal(proxyFor(new URL('http://x/'), { HTTP_PROXY: 'proxy:1', NO_PROXY: '*' }), null)
  })

  it('that we cannot ask is told with the variable that names it, without its password', () => {
    for (const [proxy, message] of [
      ['socks5://me:secret@proxy:1080', /^HTTP_PROXY: socks5:\/\/ is not spoken: .*NO_PROXY$/],
      ['http://me:secret@proxy:port', /^HTTP_PROXY: its value is no address: /],
      ['http://me:100%@proxy:1', /^HTTP_PROXY: its login cannot be read \(a % in it is written %25\): /],
    ] as const)
      assert.throws(() => proxyFor(new URL('http://x/'), { HTTP_PROXY: proxy }), {
        code: 'REGISTRY_CONFIG_INVALID',
        exitCode: 3,
        message,
      })
  })
})
