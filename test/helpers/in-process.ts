/** Commands of the optimizer in the test's own process: their startup is not paid for each. */
import { Writable } from 'node:stream'
import { runCommandLine } from '../../optimizer/command-line.ts'
import { Console } from '../../optimizer/console.ts'
import { runProgram } from '../../optimizer/run-program.ts'
import type { Finished } from './optimizer-bench.ts'

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

/**
 * The whole program, as a process of its own would end: exit status, and all that it has said. One at a time: what the
 * environment holds meanwhile is the process's.
 */
export async function program(args: string[], environment: Record<string, string> = {}): Promise<Finished> {
  const said = { stdout: '', stderr: '' }
  const stream = (name: keyof typeof said) =>
    new Writable({
      decodeStrings: false,
      write(text: string, _encoding, done) {
        said[name] += text
        done()
      },
    })
  const before = Object.fromEntries(Object.keys(environment).map((name) => [name, process.env[name]]))
  Object.assign(process.env, environment)
  try {
    const code = await runProgram(args, { stdout: stream('stdout'), stderr: stream('stderr') })
    return { code, ...said }
  } finally {
    for (const [name, value] of Object.entries(before))
      if (value === undefined) delete process.env[name]
      else process.env[name] = value
  }
}
