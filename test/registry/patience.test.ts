import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe, it } from 'node:test'
import { digestOf } from '../../optimizer/image/digest.ts'
import { Patience } from '../../optimizer/registry/patience.ts'
import { type Fault, fail } from '../helpers/fake-registry.ts'
import { LogLines } from '../helpers/log-lines.ts'
import { withMirrors } from '../helpers/mirrored-registry.ts'
import { bytesOf, withFake } from '../helpers/registry-client.ts'

const BYTES = randomBytes(1000)
const DIGEST = digestOf(BYTES)
const WHOLE = { offsetBytes: 0, endBytes: undefined, sizeBytes: BYTES.length }

/** Time that passes at once, and how long it would have been. */
class Waits {
  readonly seconds: number[] = []
  readonly sleep = async (milliseconds: number) => {
    this.seconds.push(milliseconds / 1000)
  }
}

function busy(method: string, answers: (string | undefined)[]): Fault {
  return (request, response) => {
    if (request.method !== method || answers.length === 0) return false
    const after = answers.shift()
    if (after !== undefined) response.setHeader('retry-after', after)
    fail(response, 429, 'TOOMANYREQUESTS', 'slow down')
    return true
  }
}

describe('a wait', () => {
  const signal = new AbortController().signal
  const why = 'has had too many requests (429)'

  it('is told with host, length and reason where it is long, as a warning where it is very long', async () => {
    const log = new LogLines()
    const patience = new Patience(log, async () => {})
    for (const seconds of [0.9, 1.5]) await patience.wait({ host: 'a.example', seconds, why, signal })
    await patience.wait({ host: 'b.example', seconds: 45, why: 'answered 503', signal })
    assert.deepEqual(log.infos, ['a.example has had too many requests (429): waiting 1.5 s'])
    assert.deepEqual(log.warnings, ['b.example answered 503: waiting 45 s'])
  })

  it('is told once where many wait for the same host, and again where it gets longer', async () => {
    const log = new LogLines()
    const patience = new Patience(log, async () => {})
    const waits = [30, 30, 30].map((seconds) => patience.wait({ host: 'a.example', seconds, why, signal }))
    await Promise.all(waits)
    await patience.wait({ host: 'a.example', seconds: 60, why, signal })
    assert.deepEqual(
      log.warnings.map((line) => line.replace(/.*waiting /, '')),
      ['30 s', '60 s'],
    )
  })

  it('ends with what ends the run', async () => {
    const end = new AbortController()
    const waiting = new Patience(new LogLines()).wait({ host: 'a', seconds: 60, why, signal: end.signal })
    end.abort(new Error('enough'))
    await assert.rejects(waiting, /enough/)
  })
})

describe('a registry that asks for patience', () => {
  it('is waited for as long as it asks, in reading and in writing', async () => {
    const [log, waits] = [new LogLines(), new Waits()]
    const body: Parameters<typeof withFake>[2] = async ({ registry, repository }) => {
      registry.addBlob('team/app', BYTES)
      registry.fault = busy('GET', ['20'])
      assert.deepEqual(await bytesOf(repository.blob(DIGEST, WHOLE)), BYTES)
      registry.fault = busy('PUT', ['40'])
      const read = async function* () {
        yield BYTES
      }
      await repository.upload({ digest: DIGEST, sizeBytes: BYTES.length, read })
      assert.deepEqual(waits.seconds, [20, 40])
      const told = (seconds: number) =>
        `${registry.host} has had too many requests (429): waiting ${seconds} s`
      assert.deepEqual(log.warnings, [told(20), told(40)])
    }
    await withFake({}, {}, body, { log, sleep: waits.sleep })
  })

  it('is waited for longer and longer where it does not say how long', async () => {
    const waits = new Waits()
    const body: Parameters<typeof withFake>[2] = async ({ registry, repository }) => {
      registry.addBlob('team/app', BYTES)
      registry.fault = busy('GET', [undefined, undefined, undefined])
      assert.deepEqual(await bytesOf(repository.blob(DIGEST, WHOLE)), BYTES)
      const [first = 0, second = 0, third = 0] = waits.seconds
      assert.ok(first < second && second < third, String(waits.seconds))
    }
    await withFake({}, {}, body, { sleep: waits.sleep })
  })

  it('is waited for where the server of its tokens asks for it', async () => {
    const [log, waits] = [new LogLines(), new Waits()]
    const answers = [503, 429]
    const body: Parameters<typeof withFake>[2] = async ({ registry, repository }) => {
      const digest = registry.addBlob('team/app', BYTES)
      registry.fault = ({ url, headers }, response) => {
        const status = url?.startsWith('/realm') ? answers.shift() : undefined
        if (status !== undefined) fail(response.setHeader('retry-after', '20'), status, 'BUSY', 'later')
        else if (url?.startsWith('/realm')) response.end('{"token":"good"}')
        else if (headers.authorization === 'Bearer good') return false
        else {
          const challenge = `Bearer realm="http://${registry.host}/realm"`
          response.writeHead(401, { 'www-authenticate': challenge }).end()
        }
        return true
      }
      assert.deepEqual(await bytesOf(repository.blob(digest, WHOLE)), BYTES)
      assert.deepEqual(waits.seconds, [20, 20])
      const [told] = log.warnings
      assert.equal(
        told,
        `${registry.host} waits for the server of its tokens, which answered 503: waiting 20 s`,
      )
    }
    await withFake({}, {}, body, { log, sleep: waits.sleep })
  })

  it('is not waited for where there is no server of tokens where it says', async () => {
    const waits = new Waits()
    const body: Parameters<typeof withFake>[2] = async ({ registry, repository }) => {
      registry.fault = ({ url }, response) => {
        const challenge = `Bearer realm="http://${registry.host}/realm"`
        if (url?.startsWith('/realm')) fail(response, 404, 'NOT_FOUND', 'nothing here')
        else response.writeHead(401, { 'www-authenticate': challenge }).end()
        return true
      }
      await assert.rejects(repository.manifest('v1'), {
        code: 'REGISTRY_FAILED',
        message: /gives no tokens at \/realm \(404\)/,
      })
      assert.deepEqual(waits.seconds, [])
    }
    await withFake({}, {}, body, { sleep: waits.sleep })
  })

  it('is not waited for where it asks for more than a minute, which is told', async () => {
    const waits = new Waits()
    const body: Parameters<typeof withFake>[2] = async ({ registry, repository }) => {
      const read = async function* () {
        yield BYTES
      }
      const refusal = { code: 'REGISTRY_BUSY', message: /asks for a pause of 3600 s/ }
      registry.fault = busy('GET', ['3600'])
      await assert.rejects(repository.manifest('latest'), refusal)
      registry.fault = busy('PUT', ['3600'])
      const sending = repository.upload({ digest: DIGEST, sizeBytes: BYTES.length, read })
      await assert.rejects(sending, refusal)
      assert.deepEqual(waits.seconds, [])
    }
    await withFake({}, {}, body, { sleep: waits.sleep })
  })

  it('is waited for where it is the one that is written to, whatever hosts come after it', async () => {
    const body: Parameters<typeof withMirrors>[1] = async ({ mirrors: [mirror], own, repository, log }) => {
      if (mirror !== undefined) mirror.fault = busy('HEAD', ['10', '10', '10'])
      assert.equal(await repository.hasForWriting(DIGEST), false)
      assert.match(log.infos.join(), new RegExp(`^${mirror?.host} .*waiting 10 s$`))
      assert.deepEqual(own.seen, [])
    }
    await withMirrors(1, body, ['pull', 'resolve', 'push'])
  })

  it('is not waited for where another host can be asked', async () => {
    await withMirrors(1, async ({ mirrors: [mirror], own, repository, log }) => {
      own.addBlob('team/app', BYTES)
      if (mirror !== undefined) mirror.fault = busy('GET', ['30', '30'])
      assert.deepEqual(await bytesOf(repository.blob(DIGEST, WHOLE)), BYTES)
      assert.equal(mirror?.seen.length, 1)
      assert.deepEqual(log.infos, [])
    })
  })
})
