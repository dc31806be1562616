/** Entry of the notifier: for an optimizer (docs/protocol.md), or by hand (docs/notifier.md). */
import { asCoded, CodedError, EXIT, messageOf } from '../shared/errors.ts'
import { printable } from '../shared/text.ts'
import { program } from './program.ts'
import { isProtocolMode, runProtocolMode } from './protocol-mode.ts'

async function main(args: string[]): Promise<number> {
  if (isProtocolMode(args)) {
    await runProtocolMode(args)
    return EXIT.done
  }
  // Only now: an optimizer waits for `hello`, and this takes a while.
  const { runStandAlone } = await import('./stand-alone/run.ts')
  return await runStandAlone(args, program())
}

try {
  process.exit(await main(process.argv.slice(2)))
} catch (thrown) {
  const error = asCoded(thrown)
  const code = error instanceof CodedError ? ` [${error.code}]` : ''
  process.stderr.write(`notifier: ${printable(messageOf(error))}${code}\n`)
  process.exit(error instanceof CodedError ? error.exitCode : EXIT.unexpected)
}
