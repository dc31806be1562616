/** A stand-in for the optimizer, to be killed: spawns a notifier, prints its pid and waits for ever. */
import { NotifierProcess } from '../../optimizer/workload/notifier-process.ts'
import { SILENT_LOG } from '../../shared/log.ts'

const notifier = await NotifierProcess.spawn({ log: SILENT_LOG })
process.stdout.write(`${notifier.pid}\n`)
setInterval(() => undefined, 60_000)
