/** Entry of `optimizer`. */
import { collectEarly } from './collection.ts'
import { runProgram } from './run-program.ts'

collectEarly()
// Beyond `ulimit -f` a write fails then, which is told, and all is undone.
process.on('SIGXFSZ', () => {})
process.exitCode = await runProgram(process.argv.slice(2))
// A pending handle (a stuck socket, say) must not keep a finished command alive.
process.exit()
