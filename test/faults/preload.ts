/**
 * Loaded into the optimizer before its own code (`node --import`): does something at the very moment that a certain
 * line goes to stderr, before the next statement runs. So a fault comes at a stage, not near it.
 *
 * FAULT_LINE: how the line begins. FAULT_SIGNAL: what is sent. FAULT_PID: to whom, else to this process.
 * FAULT_DELAY: so many milliseconds later.
 */
const { FAULT_LINE = '', FAULT_SIGNAL, FAULT_PID, FAULT_DELAY } = process.env
const write = process.stderr.write.bind(process.stderr) as (...values: unknown[]) => boolean
let done = false

process.stderr.write = (...values: unknown[]) => {
  const written = write(...values)
  if (!done && String(values[0]).startsWith(FAULT_LINE)) {
    done = true
    const send = () => process.kill(Number(FAULT_PID ?? process.pid), FAULT_SIGNAL as NodeJS.Signals)
    if (FAULT_DELAY === undefined) send()
    else setTimeout(send, Number(FAULT_DELAY))
  }
  return written
}
