/** What `--ready-http` tells of a URL that never was ready. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, it } from 'node:test'
import { httpRule } from '../../optimizer/workload/stop-rules/http.ts'

const OWN_NETWORK = '/proc/self/ns/net'
const skip = process.getuid?.() === 0 ? false : "entering a workload's network needs root"

describe('the rule that a URL answers', { skip }, () => {
  let server: Server | undefined
  afterEach(() => {
    server?.closeAllConnections()
    server?.close()
  })

  /** Given up at its n-th request, which gets no answer; those before get status 404. */
  async function foundAtRequest(n: number): Promise<string> {
    const over = new AbortController()
    let requests = 0
    server = createServer((_, response) => {
      if (++requests < n) response.writeHead(404).end()
      else over.abort()
    })
    await once(server.listen(0, '127.0.0.1'), 'listening')
    const url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/page`)
    const rule = httpRule(url, OWN_NETWORK)
    await assert.rejects(rule.met(over.signal))
    return (rule.found?.() ?? '').replace(url.href, 'URL')
  }

  it('tells the last answer there was, when it is given up while it asks again', async () => {
    assert.equal(await foundAtRequest(2), 'URL answered with status 404')
  })

  it('tells that there was none, when it is given up in the first one', async () => {
    assert.equal(await foundAtRequest(1), 'URL took a connection and has not answered')
  })
})
