import assert from 'node:assert/strict'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { MEDIA_TYPE } from '../../optimizer/image/descriptor.ts'
import { parseChallenges } from '../../optimizer/registry/challenge.ts'
import { CredentialSource } from '../../optimizer/registry/credentials.ts'
import { withFake } from '../helpers/registry-client.ts'

const USER = { username: 'me', password: 'se:cret' }
const DOCUMENT = { schemaVersion: 2, manifests: [] }
let folder: string
before(() => {
  folder = mkdtempSync(join(tmpdir(), 'credentials-'))
})
after(() => rmSync(folder, { recursive: true }))

function configFile(json: object): string {
  const path = join(folder, 'config.json')
  writeFileSync(path, JSON.stringify(json))
  return path
}

describe('a registry that asks who it is', () => {
  for (const kind of ['basic', 'bearer'] as const)
    it(`lets a user in by ${kind}, and everybody waits for the same token`, async () => {
      const changes = { credentials: new Map([['', USER]]) }
      await withFake({ login: { kind, ...USER } }, changes, async ({ registry, repository }) => {
        registry.addManifest('team/app', 'v1', MEDIA_TYPE.ociIndex, DOCUMENT)
        await repository.manifest('v1')
        await Promise.all(['v1', 'v1', 'v1'].map((tag) => repository.manifest(tag)))
        assert.equal(
          registry.seen.filter(({ path }) => path.startsWith('/token')).length,
          kind === 'basic' ? 0 : 1,
        )
        const [, token] = registry.seen
        if (kind === 'bearer')
          assert.match(
            token?.path ?? '',
            /service=fake%2C\+inc&scope=repository%3Ateam%2Fapp%3Apull&scope=.*%3Apull%2Cpush/,
          )
      })
    })

  it('is asked with the same token by all whose last one has run out', async () => {
    let given = 0
    await withFake({}, { credentials: new Map([['', USER]]) }, async ({ registry, repository }) => {
      registry.addManifest('team/app', 'v1', MEDIA_TYPE.ociIndex, DOCUMENT)
      registry.fault = ({ url, headers }, response) => {
        // Good for less than it takes to ask with it a second time.
        if (url?.startsWith('/realm')) response.end(`{"token":"${++given}","expires_in":1e-9}`)
        else if (headers.authorization === `Bearer ${given}`) return false
        else {
          const challenge = `Bearer realm="http://${registry.host}/realm"`
          response.writeHead(401, { 'www-authenticate': challenge }).end()
        }
        return true
      }
      await repository.manifest('v1')
      const before = given
      await Promise.all(['v1', 'v1', 'v1'].map((tag) => repository.manifest(tag)))
      assert.equal(given, before + 1)
    })
  })

  it('is told with what to do: nobody, the wrong password, no right', async () => {
    await withFake({ login: { kind: 'basic', ...USER } }, {}, async ({ repository }) => {
      await assert.rejects(repository.manifest('v1'), {
        code: 'REGISTRY_UNAUTHORIZED',
        message: /wants to know who asks.*tag v1 of 127.*docker login/,
      })
    })
    const wrong = { credentials: new Map([['', { username: 'me', password: 'no' }]]) }
    for (const kind of ['basic', 'bearer'] as const)
      await withFake({ login: { kind, ...USER } }, wrong, async ({ repository }) => {
        await assert.rejects(repository.manifest('v1'), {
          code: 'REGISTRY_UNAUTHORIZED',
          message: /does not let me in/,
        })
      })
    await withFake({}, {}, async ({ registry, repository }) => {
      registry.fault = (_, response) => {
        response.writeHead(403).end('{"errors":[{"code":"DENIED","message":"read only"}]}')
        return true
      }
      await assert.rejects(repository.putManifest('v1', MEDIA_TYPE.ociIndex, Buffer.from('{}')), {
        code: 'REGISTRY_DENIED',
        message: /does not allow.*written \(DENIED: read only\)/,
      })
    })
  })

  it('is not told the password at a token server that is less safe than itself', async () => {
    // This one is on our own loopback, and speaks http there alone.
    for (const realm of ['ftp://elsewhere/', 'http://elsewhere.invalid/token'])
      await withFake({}, { credentials: new Map([['', USER]]) }, async ({ registry, repository }) => {
        registry.fault = (_, response) => {
          response.writeHead(401, { 'www-authenticate': `Bearer realm="${realm}"` }).end()
          return true
        }
        await assert.rejects(repository.manifest('v1'), {
          code: 'REGISTRY_ANSWER_INVALID',
          message: /no password is sent/,
        })
      })
  })
})

describe('an identity token', () => {
  it('is shown to no other host, also where the token server sends us to one', async () => {
    const changes = { configFile: configFile({}) }
    await withFake({}, changes, async ({ registry, repository }) => {
      await withFake({}, {}, async ({ registry: elsewhere }) => {
        configFile({ auths: { [registry.host]: { identitytoken: 'long-lived' } } })
        const shown: string[] = []
        let next = `http://${elsewhere.host}/moved`
        registry.addManifest('team/app', 'v1', MEDIA_TYPE.ociIndex, DOCUMENT)
        registry.fault = ({ url, headers }, response, body) => {
          if (url === '/moved') shown.push(body.toString())
          if (url === '/moved') response.end('{"token":"short"}')
          else if (url === '/realm') response.writeHead(307, { location: next }).end()
          else if (headers.authorization === 'Bearer short') return false
          else {
            const challenge = `Bearer realm="http://${registry.host}/realm"`
            response.writeHead(401, { 'www-authenticate': challenge }).end()
          }
          return true
        }
        await assert.rejects(repository.manifest('v1'), {
          code: 'REGISTRY_ANSWER_INVALID',
          message: /127.*sends us elsewhere \(307\).*docker login/,
        })
        assert.deepEqual([elsewhere.seen, shown], [[], []])
        // Within the same server it is.
        next = '/moved'
        await repository.manifest('v1')
        assert.match(shown.join(), /refresh_token=long-lived/)
      })
    })
  })
})

describe('a login', () => {
  const of = (json: object, host = 'registry.example:5000', repository = 'team/app') =>
    new CredentialSource({ configFile: configFile(json), credentials: new Map() }).of(host, repository, true)
  const auth = Buffer.from('me:se:cret').toString('base64')
  const password = { kind: 'password', ...USER }

  it("is found in docker's file under every spelling of the registry", async () => {
    for (const key of [
      'registry.example:5000',
      'https://registry.example:5000',
      'https://registry.example:5000/v2/',
    ])
      assert.deepEqual(await of({ auths: { [key]: { auth } } }), password, key)
    assert.deepEqual(await of({ auths: { 'https://index.docker.io/v1/': { auth } } }, 'docker.io'), password)
    assert.equal(await of({ auths: { 'other.example': { auth } } }), null)
  })

  it("is the most exact one of podman's file", async () => {
    const other = Buffer.from('all:x').toString('base64')
    const auths = { 'registry.example:5000': { auth: other }, 'registry.example:5000/team': { auth } }
    assert.deepEqual(await of({ auths }), password)
    const elsewhere = await of({ auths }, 'registry.example:5000', 'else/app')
    assert.deepEqual(elsewhere, { kind: 'password', username: 'all', password: 'x' })
  })

  it('may be a token', async () => {
    const host = 'registry.example:5000'
    assert.deepEqual(await of({ auths: { [host]: { identitytoken: 'abc' } } }), {
      kind: 'identity token',
      token: 'abc',
    })
    assert.deepEqual(await of({ auths: { [host]: { registrytoken: 'abc' } } }), {
      kind: 'access token',
      token: 'abc',
    })
  })

  it('comes from a helper, that of the registry before the one for all', async () => {
    const helper = (name: string, script: string) => {
      const path = join(folder, `docker-credential-${name}`)
      writeFileSync(path, `#!/bin/sh\n${script}\n`)
      chmodSync(path, 0o755)
    }
    helper('own', 'read server; echo "{\\"Username\\":\\"$server\\",\\"Secret\\":\\"s\\"}"')
    helper('all', 'echo "{\\"Username\\":\\"<token>\\",\\"Secret\\":\\"t\\"}"')
    helper('none', 'echo credentials not found in native keychain; exit 1')
    helper('broken', 'echo the keychain is locked; exit 1')
    const before = process.env.PATH
    process.env.PATH = `${folder}:${before}`
    try {
      const host = 'registry.example:5000'
      const own = { kind: 'password', username: host, password: 's' }
      assert.deepEqual(await of({ credHelpers: { [host]: 'own' }, credsStore: 'all' }), own)
      assert.deepEqual(await of({ credsStore: 'all' }), { kind: 'identity token', token: 't' })
      assert.deepEqual(await of({ credsStore: 'none', auths: { [host]: { auth } } }), password)
      assert.equal(await of({ credsStore: 'none' }), null)
      await assert.rejects(of({ credsStore: 'broken' }), {
        code: 'REGISTRY_CREDENTIALS',
        message: /keychain is locked/,
      })
      await assert.rejects(of({ credsStore: 'absent' }), {
        code: 'REGISTRY_CREDENTIALS',
        message: /docker-credential-absent/,
      })
      await assert.rejects(of({ credsStore: '../x' }), { code: 'REGISTRY_CREDENTIALS' })
      // What it has started goes on, and has its output open.
      helper('late', 'sleep 2; echo {}')
      const settings = { configFile: configFile({ credsStore: 'late' }), credentials: new Map() }
      await assert.rejects(new CredentialSource(settings, 0.05).of(host, 'a', true), {
        code: 'REGISTRY_CREDENTIALS',
        message: /docker-credential-late.*did not answer in 0\.05 s/,
      })
    } finally {
      process.env.PATH = before
    }
  })

  it('that was given on the command line comes first, and goes to no mirror', async () => {
    const settings = { configFile: configFile({ auths: {} }), credentials: new Map([['', USER]]) }
    assert.deepEqual(await new CredentialSource(settings).of('registry.example', 'a', true), password)
    assert.equal(await new CredentialSource(settings).of('mirror.example', 'a', false), null)
  })
})

describe('a challenge', () => {
  it('is read with quotes, commas and several of them', () => {
    assert.deepEqual(
      parseChallenges('Bearer realm="https://a/t?x=\\"1\\"",service="a, b",scope="r:x:pull,push"'),
      [
        {
          scheme: 'bearer',
          parameters: { realm: 'https://a/t?x="1"', service: 'a, b', scope: 'r:x:pull,push' },
        },
      ],
    )
    assert.deepEqual(
      parseChallenges('Negotiate, Basic realm="r", charset=UTF-8, Bearer realm=x').map(
        ({ scheme }) => scheme,
      ),
      ['negotiate', 'basic', 'bearer'],
    )
    assert.deepEqual(parseChallenges('=, "'), [])
  })
})
