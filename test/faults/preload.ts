/**
 * Loaded into the optimizer before its own code (`node --import`): does something at the very moment that a certain
 * line goes to stderr, before the next statement runs. So a fault comes at a stage, not near it.
 *
 * FAULT_LINE: how the line begins. FAULT_SIGNAL: what is sent. FAULT_PID: to whom, else to this process.
 * FAULT_DELAY: so many milliseconds later.
 * FAULT_DAMAGE: instead, a byte changes of each gzip file below this folder that came after this process.
 */
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const { FAULT_LINE = '', FAULT_SIGNAL, FAULT_PID, FAULT_DELAY, FAULT_DAMAGE } = process.env
const write = process.stderr.write.bind(process.stderr) as (...values: unknown[]) => boolean
let done = false

process.stderr.write = (...values: unknown[]) => {
  const written = write(...values)
  if (!done && String(values[0]).startsWith(FAULT_LINE)) {
    done = true
    if (FAULT_DAMAGE !== undefined) damage(FAULT_DAMAGE)
    if (FAULT_SIGNAL === undefined) return written
    const send = () => process.kill(Number(FAULT_PID ?? process.pid), FAULT_SIGNAL as NodeJS.Signals)
    if (FAULT_DELAY === undefined) send()
    else setTimeout(send, Number(FAULT_DELAY))
  }
  return written
}

function damage(folder: string): void {
  for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
    const path = join(folder, name)
    const stat = statSync(path)
    if (!stat.isFile() || stat.mtimeMs < performance.timeOrigin) continue
    const bytes = readFileSync(path)
    if (bytes.length < 100 || bytes.readUInt16BE(0) !== 0x1f8b) continue
    const middle = bytes.length >> 1
    bytes[middle] = (bytes[middle] as number) ^ 0xff
    writeFileSync(path, bytes)
  }
}
