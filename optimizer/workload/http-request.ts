/** One HTTP request over a connection that is there already. */
import { type IncomingMessage, request } from 'node:http'
import type { Socket } from 'node:net'
import type { Endpoint } from './options.ts'

const PORT_DEFAULT = 80
const TAIL_BYTES = 2048

export interface HttpRequest {
  method: string
  /** http, its host an address or localhost. */
  url: URL
  body?: string
}

export interface HttpAnswer {
  status: number
  /** Reads the body to its end. @returns its last 2 KiB as text */
  tail(): Promise<string>
}

/** Resolves when the head of the answer is there. @throws when the connection ends before, or speaks no HTTP */
export function ask(
  { method, url, body }: HttpRequest,
  socket: Socket,
  signal: AbortSignal,
): Promise<HttpAnswer> {
  return new Promise((resolve, reject) => {
    const asked = request(url, {
      method,
      // Servers are taken as they are: a line that ends without a carriage return is one, too.
      insecureHTTPParser: true,
      createConnection: () => socket,
      headers: {
        'user-agent': 'hotlayer-optimizer',
        connection: 'close',
        ...(body === undefined ? {} : { 'content-type': contentType(body) }),
      },
      signal,
    })
    asked.once('error', reject)
    // Of an answer that switches protocols (101) Node tells no more than that it is over.
    asked.once('close', () => reject(new Error('the connection ended without an answer of HTTP')))
    asked.once('response', (response) =>
      resolve({ status: response.statusCode ?? 0, tail: () => tailOf(response) }),
    )
    asked.end(body)
  })
}

/** Where a URL of http leads to. */
export function endpointOf({ hostname, port }: URL): Endpoint {
  return { address: hostname.replace(/^\[(.*)\]$/, '$1'), port: port === '' ? PORT_DEFAULT : Number(port) }
}

/** As curl sends data, but for JSON, which is called so. */
function contentType(body: string): string {
  try {
    const value: unknown = JSON.parse(body)
    return typeof value === 'object' ? 'application/json' : 'application/x-www-form-urlencoded'
  } catch {
    return 'application/x-www-form-urlencoded'
  }
}

async function tailOf(response: IncomingMessage): Promise<string> {
  let tail = Buffer.alloc(0)
  for await (const piece of response) tail = Buffer.concat([tail, piece as Buffer]).subarray(-TAIL_BYTES)
  return tail.toString()
}
