/** A request over a connection that is there already, against a real server. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { after, before, describe, it } from 'node:test'
import { ask, endpointOf } from '../../optimizer/workload/http-request.ts'

const going = new AbortController().signal

describe('a request', () => {
  let server: Server
  let port: number
  before(async () => {
    server = createServer(answer).listen(0, '127.0.0.1')
    await once(server, 'listening')
    port = (server.address() as AddressInfo).port
  })
  after(() => {
    server.closeAllConnections()
    server.close()
  })

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.url === '/switch')
      return void request.socket.end(
        'HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: other\r\n\r\n',
      )
    if (request.url === '/hang-up') return void request.socket.destroy()
    if (request.url === '/half') {
      response.writeHead(200, { 'content-length': 100 })
      return void response.write('half', () => request.socket.destroy())
    }
    if (request.url === '/large') return void response.end(`${'x'.repeat(1e6)}end`)
    const { method, url, headers } = request
    response.statusCode = url === '/missing' ? 404 : 200
    response.end(
      JSON.stringify({
        method,
        host: headers.host,
        type: headers['content-type'],
        body: await text(request),
      }),
    )
  }

  async function send(method: string, path: string, body?: string, signal: AbortSignal = going) {
    const socket = connect(port, '127.0.0.1')
    try {
      const url = new URL(`http://127.0.0.1:${port}${path}`)
      const { status, tail } = await ask(
        { method, url, ...(body === undefined ? {} : { body }) },
        socket,
        signal,
      )
      return { status, tail: await tail() }
    } finally {
      socket.destroy()
    }
  }

  it('has its status and what was answered', async () => {
    const { status, tail } = await send('GET', '/')
    assert.deepEqual(
      [status, JSON.parse(tail).method, JSON.parse(tail).host],
      [200, 'GET', `127.0.0.1:${port}`],
    )
    assert.equal((await send('GET', '/missing')).status, 404)
  })

  it('sends a body, as JSON where it is that, else as a form', async () => {
    const json = JSON.parse((await send('POST', '/', '{"a":1}')).tail)
    assert.deepEqual([json.method, json.type, json.body], ['POST', 'application/json', '{"a":1}'])
    const form = JSON.parse((await send('PUT', '/', 'a=1')).tail)
    assert.deepEqual([form.type, form.body], ['application/x-www-form-urlencoded', 'a=1'])
  })

  it('reads an answer to its end, and keeps the last of it', async () => {
    const { tail } = await send('GET', '/large')
    assert.ok(tail.endsWith('xend') && tail.length <= 2048)
  })

  it('fails when the server hangs up, before or amid its answer, and when it is called off', async () => {
    await assert.rejects(send('GET', '/hang-up'))
    await assert.rejects(send('GET', '/half'))
    await assert.rejects(send('GET', '/', undefined, AbortSignal.abort(new Error('called off'))))
  })

  it('fails when the server answers with another protocol', { timeout: 10_000 }, async () => {
    await assert.rejects(send('GET', '/switch'), /ended without an answer of HTTP/)
  })

  it('goes to where its URL leads', () => {
    assert.deepEqual(endpointOf(new URL('http://[::1]/')), { address: '::1', port: 80 })
    assert.deepEqual(endpointOf(new URL('http://localhost:81/')), { address: 'localhost', port: 81 })
  })
})
