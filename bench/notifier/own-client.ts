/**
 * The optimizer's own client of the notifier, in a process of its own as client.c is one, and with the same words on
 * stdin and stdout: `node own-client.js ROOT`.
 */
import { createInterface } from 'node:readline'
import { NotifierProcess } from '../../optimizer/workload/notifier-process.ts'
import { SILENT_LOG } from '../../shared/log.ts'

const [root = ''] = process.argv.slice(2)
const nanoseconds = () => Number(process.hrtime.bigint())

const begun = nanoseconds()
const notifier = await NotifierProcess.spawn({ log: SILENT_LOG })
const helloNs = nanoseconds() - begun
await notifier.mark({ kind: 'filesystem', path: Buffer.from(root), reason: 'benchmark' })
await notifier.started()
say('ready', { pid: notifier.pid, startNs: nanoseconds() - begun, helloNs })

for await (const command of createInterface(process.stdin)) {
  if (command !== 'end') break
  const counters = await notifier.flush()
  say('done', { doneNs: nanoseconds(), counters })
}
await notifier.stop()
const zero = Buffer.from([0])
process.stdout.write(Buffer.concat(notifier.accesses.flatMap(({ path }) => [path, zero])), () =>
  process.exit(),
)

function say(word: string, figures: object): void {
  process.stdout.write(`${word} ${JSON.stringify(figures)}\n`)
}
