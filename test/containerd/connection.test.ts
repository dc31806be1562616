/** The channel against a daemon of ours that behaves as told. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, beforeEach, describe, it } from 'node:test'
import { Metadata, Server, ServerCredentials, status, type UntypedHandleCall } from '@grpc/grpc-js'
import { Containerd } from '../../optimizer/containerd/client.ts'
import { Connection } from '../../optimizer/containerd/connection.ts'
import {
  AlreadyExistsError,
  ContainerdUnavailableError,
  detailsOf,
  toCodedError,
} from '../../optimizer/containerd/errors.ts'
import { ImagesService } from '../../optimizer/containerd/generated/images.ts'
import { VersionService } from '../../optimizer/containerd/generated/version.ts'
import { InterruptedError, NotFoundError } from '../../shared/errors.ts'

/** Handles a unary call: answers, fails, or keeps silent. */
type Handler = (
  call: { metadata: Metadata; request: unknown },
  answer: (error: object | null, value?: object) => void,
) => void

describe('a connection to containerd', () => {
  let folder: string
  let address: string
  let server: Server
  let handler: Handler
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'connection-'))
    address = join(folder, 's')
    server = new Server()
    const handle: Handler = (call, answer) => handler(call, answer)
    const names = Object.keys(ImagesService)
    server.addService(
      ImagesService,
      Object.fromEntries(names.map((name) => [name, handle as UntypedHandleCall])),
    )
    server.addService(VersionService, { version: handle as UntypedHandleCall })
    await new Promise<void>((resolve, reject) => {
      const done = (error: Error | null) => (error ? reject(error) : resolve())
      server.bindAsync(`unix:${address}`, ServerCredentials.createInsecure(), done)
    })
  })
  after(() => {
    server.forceShutdown()
    rmSync(folder, { recursive: true })
  })
  beforeEach(() => {
    handler = (_, answer) => answer(null, { version: '9.9', revision: '' })
  })

  const fails =
    (code: number, details: string): Handler =>
    (_, answer) =>
      answer({ code, details })

  /** Of a daemon that answers, the answer is waited for as long as a busy machine takes. */
  async function getImage(timeoutSeconds = 60): Promise<unknown> {
    const connection = Connection.open(address, 'ns')
    try {
      return await connection.unary(
        ImagesService.get,
        { name: 'web' },
        { what: 'the image "web"', timeoutSeconds },
      )
    } finally {
      connection.close()
    }
  }

  it('names the namespace in every call, and the lease in those under it', async () => {
    const seen: unknown[] = []
    handler = ({ metadata }, answer) => {
      seen.push([metadata.get('containerd-namespace'), metadata.get('containerd-lease')])
      answer(null, { version: '9.9', revision: '' })
    }
    const containerd = await Containerd.connect(address, 'team.a')
    assert.equal(containerd.version, '9.9')
    await containerd.underLease('lease-1').images.delete('x')
    await containerd.images.delete('x')
    containerd.close()
    assert.deepEqual(seen, [
      [['team.a'], []],
      [['team.a'], ['lease-1']],
      [['team.a'], []],
    ])
  })

  it('takes the address as a URL too', async () => {
    const containerd = await Containerd.connect(`unix://${address}`, 'ns')
    assert.equal(containerd.address, address)
    containerd.close()
  })

  it('refuses what cannot be a namespace before anything is sent', () => {
    for (const namespace of ['', 'a b', '-a', 'a..b', 'ä', 'x'.repeat(77)])
      assert.throws(() => Connection.open(address, namespace), { code: 'NAMESPACE_INVALID', exitCode: 2 })
  })

  it('says in one line what a program that the daemon ran has said in several', async () => {
    handler = fails(status.UNKNOWN, 'exit status 1: igzip: cannot read\n  (null)\n')
    const message = /igzip: cannot read; \(null\)$/
    await assert.rejects(getImage(), (error: Error) => {
      assert.match(error.message, message)
      assert.match(detailsOf(error), message)
      return true
    })
  })

  it('says what does not exist, and where', async () => {
    handler = fails(status.NOT_FOUND, 'image "web": not found')
    await assert.rejects(getImage(), (error: Error) => {
      assert.ok(error instanceof NotFoundError)
      assert.match(error.message, /^the image "web" does not exist in containerd's namespace "ns"/)
      return true
    })
  })

  it('tells that something exists already', async () => {
    handler = fails(status.ALREADY_EXISTS, 'already exists')
    await assert.rejects(getImage(), AlreadyExistsError)
  })

  it('tells any other refusal in containerd’s own words', async () => {
    handler = fails(status.UNKNOWN, 'disk on fire')
    await assert.rejects(getImage(), { code: 'CONTAINERD_ERROR', message: /Images\/Get.*disk on fire/ })
  })

  it('does not take a locked ref for an absent daemon', async () => {
    handler = fails(status.UNAVAILABLE, 'ref "x" locked since now: unavailable')
    await assert.rejects(getImage(), { code: 'CONTAINERD_ERROR', message: /locked/ })
  })

  it('does not wait for ever', async () => {
    handler = () => {}
    await assert.rejects(getImage(0.1), { code: 'CONTAINERD_TIMEOUT', message: /the image "web"/ })
  })

  it('tells of what answers, but is no containerd', async () => {
    for (const details of [
      'unknown service containerd.services.version.v1.Version',
      'HTTP status code 404',
    ]) {
      handler = fails(status.UNIMPLEMENTED, details)
      const message = /^what answers at .* is not containerd .*--address/
      await assert.rejects(Containerd.connect(address, 'ns'), { code: 'CONTAINERD_UNAVAILABLE', message })
    }
  })

  it('is interrupted by a signal, at once when it was aborted before', async () => {
    handler = () => abort.abort()
    const abort = new AbortController()
    const connection = Connection.open(address, 'ns')
    const call = () =>
      connection.unary(ImagesService.get, { name: 'web' }, { what: 'x', signal: abort.signal })
    await assert.rejects(call(), InterruptedError)
    await assert.rejects(call(), InterruptedError)
    connection.close()
  })
})

describe('a containerd that is not there', () => {
  let folder: string
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'absent-'))
  })
  after(() => rmSync(folder, { recursive: true }))

  async function refused(path: string, message: RegExp): Promise<void> {
    await assert.rejects(Containerd.connect(path, 'ns'), (error: Error) => {
      assert.ok(error instanceof ContainerdUnavailableError)
      assert.equal(error.exitCode, 3)
      assert.match(error.message, message)
      assert.ok(error.message.includes(path))
      return true
    })
  }

  it('has no socket', async () => {
    await refused(join(folder, 'none'), /no containerd socket at .*--address/)
  })

  it('has a socket that something else listens to, such as docker’s', async () => {
    const path = join(folder, 'http')
    const server = createServer((_, answer) => answer.end('OK')).listen(path)
    await once(server, 'listening')
    await refused(path, /is not containerd \(docker\.sock is not/)
    server.close()
  })

  it('has a socket that takes connections without an answer', () => {
    const cause = Object.assign(new Error('x'), { code: status.DEADLINE_EXCEEDED, details: 'x' })
    const context = { address: '/s', namespace: 'ns', what: 'the version', method: 'Version/Version' }
    const error = toCodedError(cause, context) as Error
    assert.ok(error instanceof ContainerdUnavailableError)
    assert.match(error.message, /^containerd at \/s takes connections, but does not answer/)
  })

  it('has a socket that nothing listens to', async () => {
    const path = join(folder, 'dead')
    writeFileSync(path, '')
    await refused(path, /nothing answers at/)
  })

  it('has a socket that this user may not use', () => {
    const details = 'No connection established. Last error: Error: connect EACCES /s'
    const cause = Object.assign(new Error(details), {
      code: status.UNAVAILABLE,
      details,
      metadata: new Metadata(),
    })
    const error = toCodedError(cause, {
      address: '/s',
      namespace: 'ns',
      what: 'the version',
      method: 'Version',
    })
    assert.ok(error instanceof ContainerdUnavailableError)
    assert.match(error.message, /\/s may not be used by this user: run this as root/)
  })
})
