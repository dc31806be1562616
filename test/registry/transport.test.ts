import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer, request } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { RegistryAccess } from '../../optimizer/registry/access.ts'
import type { RegistrySettings } from '../../optimizer/registry/settings.ts'
import { FakeRegistry, testSettings } from '../helpers/fake-registry.ts'
import { bytesOf, withFake } from '../helpers/registry-client.ts'

const TLS = fileURLToPath(new URL('../../../test/fixtures/tls', import.meta.url))
const pem = (name: string) => readFileSync(join(TLS, name))
const SERVER = { cert: pem('server.pem'), key: pem('server.key') }
const BYTES = randomBytes(100_000)
const WHOLE = { offsetBytes: 0, endBytes: undefined, sizeBytes: BYTES.length }
const trusted = { caFile: join(TLS, 'ca.pem'), certFile: null, keyFile: null }

/** Reads a blob of `team/app` in a registry that is named as given. */
async function read(name: string, registry: FakeRegistry, changes: Partial<RegistrySettings>): Promise<void> {
  const access = new RegistryAccess(testSettings(tmpdir(), changes))
  try {
    const digest = registry.addBlob('team/app', BYTES)
    assert.deepEqual(await bytesOf(access.repository(name, 'team/app', 'read').blob(digest, WHOLE)), BYTES)
  } finally {
    await access.close()
  }
}

describe('a registry that speaks TLS', () => {
  let folder: string
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'certificates-'))
  })
  after(() => rmSync(folder, { recursive: true }))

  it('is trusted by the authority that is named, or that is in the folder of the registry; else it is refused', async () => {
    const registry = await FakeRegistry.start({ tls: SERVER })
    try {
      await read(registry.host, registry, { tls: trusted })
      mkdirSync(join(folder, registry.host))
      copyFileSync(join(TLS, 'ca.pem'), join(folder, registry.host, 'ca.crt'))
      await read(registry.host, registry, { certificateFolders: [folder] })
      await assert.rejects(read(registry.host, registry, { plainHttp: false }), {
        code: 'REGISTRY_TLS',
        message: /no trusted TLS connection to 127.*--registry-ca/,
      })
      await assert.rejects(
        read(registry.host, registry, { tls: { ...trusted, caFile: join(folder, 'none') } }),
        {
          code: 'REGISTRY_CONFIG_INVALID',
          message: /none/,
        },
      )
    } finally {
      await registry.stop()
    }
  })

  it('is shown our certificate where it asks for one', async () => {
    const tls = { ...SERVER, ca: pem('ca.pem'), requestCert: true, rejectUnauthorized: true }
    const registry = await FakeRegistry.start({ tls })
    try {
      const own = { ...trusted, certFile: join(TLS, 'client.pem'), keyFile: join(TLS, 'client.key') }
      await read(registry.host, registry, { tls: own })
      await assert.rejects(read(registry.host, registry, { tls: trusted }), /REGISTRY_|127/)
    } finally {
      await registry.stop()
    }
  })
})

describe('a registry behind a proxy', () => {
  const environment = { ...process.env }
  after(() => {
    process.env = environment
  })

  it('is reached through a tunnel where it speaks TLS, and by forwarding where it speaks http', async () => {
    const [safe, plain] = [await FakeRegistry.start({ tls: SERVER }), await FakeRegistry.start()]
    const portOf = ({ host }: FakeRegistry) => Number(host.split(':')[1])
    const asked: string[] = []
    const proxy = createServer((incoming, outgoing) => {
      asked.push(
        `${incoming.method} ${new URL(incoming.url ?? '').host} ${incoming.headers['proxy-authorization']}`,
      )
      const { pathname } = new URL(incoming.url ?? '')
      const forwarded = request({ host: '127.0.0.1', port: portOf(plain), path: pathname }, (answer) => {
        outgoing.writeHead(answer.statusCode ?? 0, answer.headers)
        answer.pipe(outgoing)
      })
      forwarded.end()
    })
    proxy.on('connect', ({ url, headers }, socket) => {
      asked.push(`CONNECT ${url} ${headers['proxy-authorization']}`)
      const onward = connect(portOf(safe), '127.0.0.1', () => {
        socket.write('HTTP/1.1 200 OK\r\n\r\n')
        onward.pipe(socket).pipe(onward)
      })
      onward.on('error', () => socket.destroy())
      socket.on('error', () => onward.destroy())
    })
    proxy.listen(0, '127.0.0.1')
    await once(proxy, 'listening')
    const address = `http://me:pass@127.0.0.1:${(proxy.address() as AddressInfo).port}`
    process.env = { ...environment, HTTPS_PROXY: address, HTTP_PROXY: address, NO_PROXY: '', no_proxy: '' }
    try {
      await read('registry.test:5000', safe, { tls: trusted })
      await read('registry.test:5000', plain, { plainHttp: true })
      const login = `Basic ${Buffer.from('me:pass').toString('base64')}`
      assert.deepEqual(asked, [`CONNECT registry.test:5000 ${login}`, `GET registry.test:5000 ${login}`])
    } finally {
      proxy.closeAllConnections()
      proxy.close()
      await safe.stop()
      await plain.stop()
    }
  })
})

describe('a proxy that takes connections and says nothing', () => {
  const environment = { ...process.env }
  after(() => {
    process.env = environment
  })

  it('is not waited for', async () => {
    const proxy = createServer().on('connect', (_, socket) => socket.on('error', () => {}))
    proxy.listen(0, '127.0.0.1')
    await once(proxy, 'listening')
    const limits = { ...testSettings(tmpdir()).limits, connectSeconds: 0.05, tries: 1 }
    const access = new RegistryAccess(testSettings(tmpdir(), { limits }))
    const HTTPS_PROXY = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`
    process.env = { ...environment, HTTPS_PROXY, https_proxy: '', NO_PROXY: '', no_proxy: '' }
    try {
      await assert.rejects(access.repository('registry.test', 'team/app', 'read').manifest('v1'), {
        code: 'REGISTRY_STALLED',
        message: /registry\.test has been silent.*no tunnel by the proxy 127/,
      })
    } finally {
      await access.close()
      proxy.closeAllConnections()
      proxy.close()
    }
  })
})

describe('a transfer', () => {
  it('that we read slowly is not taken for one that has stalled', async () => {
    const limits = { ...testSettings(tmpdir()).limits, stallSeconds: 1, tries: 1 }
    await withFake({}, { limits }, async ({ registry, repository }) => {
      const large = randomBytes(8 * 1024 * 1024)
      const digest = registry.addBlob('team/app', large)
      let bytes = 0
      for await (const piece of repository.blob(digest, { ...WHOLE, sizeBytes: large.length })) {
        // It begins again at the very moment that it is looked at.
        if (bytes === 0) await new Promise((resolve) => setTimeout(resolve, 2000))
        bytes += piece.length
      }
      assert.equal(bytes, large.length)
    })
  })

  it('ends with what asks for it', async () => {
    await withFake({}, {}, async ({ registry, access }) => {
      const end = new AbortController()
      const ended = new RegistryAccess(access.settings, { signal: end.signal })
      const digest = registry.addBlob('team/app', randomBytes(4 * 1024 * 1024))
      const repository = ended.repository(registry.host, 'team/app', 'read')
      registry.fault = ({ url = '' }, response) => {
        if (!url.includes('/blobs/')) return false
        response.writeHead(200, { 'content-length': 4 * 1024 * 1024 }).write('beginning')
        return true
      }
      const read = async () => {
        for await (const piece of repository.blob(digest, { ...WHOLE, sizeBytes: 4 * 1024 * 1024 }))
          end.abort(new Error(`enough: ${piece}`))
      }
      await assert.rejects(read(), /enough: beginning/)
      await ended.close()
    })
  })
})

describe('a registry that goes on in another protocol', () => {
  it('is refused, not waited for', async () => {
    const registry = await FakeRegistry.start()
    registry.fault = ({ socket }) => {
      socket.write('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: other\r\n\r\n')
      return true
    }
    const access = new RegistryAccess(testSettings(tmpdir()))
    try {
      await assert.rejects(access.repository(registry.host, 'team/app', 'read').manifest('v1'), {
        code: 'REGISTRY_ANSWER_INVALID',
        message: /127.*another protocol/,
      })
    } finally {
      await access.close()
      await registry.stop()
    }
  })
})
