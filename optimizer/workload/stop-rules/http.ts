/** `--ready-http`: a URL answers, asked in the workload's network. */
import { ask, endpointOf } from '../http-request.ts'
import type { StopRule } from './stop-rule.ts'
import { connect } from './tcp.ts'
import { poll } from './until.ts'

const INTERVAL_MS = 100
const ANSWER_TIMEOUT_MS = 5000
/** As Kubernetes' probes: success and redirection are ready. */
const STATUS_MIN = 200
const STATUS_MAX = 399

/**
 * @param url http, its host an address or localhost
 * @param namespacePath of the workload's network, e.g. `/proc/7/ns/net`
 */
export function httpRule(url: URL, namespacePath: string): StopRule {
  let found = `${url} was never asked`
  let hasAnswered = false
  const attempt = async (signal: AbortSignal) => {
    const socket = await connect(endpointOf(url), namespacePath)
    if (socket === null) {
      found = `nothing takes a connection for ${url}`
      return null
    }
    // Until this one is answered, the answer before is what is known.
    if (!hasAnswered) found = `${url} took a connection and has not answered`
    try {
      const patience = AbortSignal.any([signal, AbortSignal.timeout(ANSWER_TIMEOUT_MS)])
      const { status } = await ask({ method: 'GET', url }, socket, patience)
      hasAnswered = true
      found = `${url} answered with status ${status}`
      return status >= STATUS_MIN && status <= STATUS_MAX ? found : null
    } catch {
      // It hung up, took too long, or spoke no HTTP: not yet. Or nobody asks any more: that says nothing.
      if (!signal.aborted) found = `${url} gave no answer in HTTP`
      return null
    } finally {
      socket.destroy()
    }
  }
  return {
    name: 'ready-http',
    met: (signal) => poll(attempt, INTERVAL_MS, signal),
    found: () => found,
  }
}
