/** Entry of the notifier: for an optimizer (docs/protocol.md), or by hand (docs/notifier.md). */
import { CodedError, EXIT, messageOf } from '../shared/errors.ts'
import { printable } from '../shared/text.ts'
import { program } from './program.ts'
import { isProtocolMode, runProtocolMode } from './protocol-mode.ts'

async function main(args: string[]): Promise<number> {
  if (isProtocolMode(args)) {
    await runProtocolMode(args)
    return EXIT.done
  }
  if (args[0] === '--version') {
    process.stdout.write(`${program()}\n`)
    return EXIT.done
  }
  // Only now: an optimizer waits for `hello`, and this takes a while.
  const { runStandAlone } = await import('./stand-alone/run.ts')
  return await runStandAlone(args, program())
}

try {
  process.exit(await main(process.argv.slice(2)))
} catch (error) {
  const code = error instanceof CodedError ? ` [${error.code}]` : ''
  process.stderr.write(`notifier: ${printable(messageOf(error))}${code}\n`)
  process.exit(error instanceof CodedError ? error.exitCode : EXIT.unexpected)
}
