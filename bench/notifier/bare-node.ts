/** The start of a Node that does nothing: what no program of ours can be faster than. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'

/** From the start of the process to the first byte that it writes, in milliseconds. */
export async function bareNodeMs(): Promise<number> {
  const begun = performance.now()
  const child = spawn(process.execPath, ['-e', 'require("fs").writeSync(1, ".")'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const ended = once(child, 'close')
  await once(child.stdout, 'data')
  const milliseconds = performance.now() - begun
  await ended
  return milliseconds
}
