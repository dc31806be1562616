/** Commands of the optimizer in the test's own process: their startup is not paid for each. */
import { runCommandLine } from '../../optimizer/command-line.ts'
import { Console } from '../../optimizer/console.ts'

/** What the command returns, and what it tells. @throws whatever it throws */
export async function run(...args: string[]): Promise<{ stdout: string; stderr: string; failure: unknown }> {
  let stderr = ''
  const console = new Console('info', { stream: { write: (text) => (stderr += text) }, env: {} })
  const context = {
    console,
    signal: new AbortController().signal,
    nextInterrupt: () => new Promise<void>(() => {}),
  }
  let done: { stdout: string; failure: unknown } = { stdout: '', failure: null }
  await runCommandLine(args, async (command, argv) => {
    const result = await command.run(argv, context)
    done =
      typeof result === 'string'
        ? { stdout: result, failure: null }
        : { stdout: result.output, failure: result.failure }
  })
  return { ...done, stderr }
}

export async function json<T>(...args: string[]): Promise<T> {
  return JSON.parse((await run(...args, '--json')).stdout)
}
