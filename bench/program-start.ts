/**
 * How long the programs take until they are done where there is nothing to do: --help, --version, a mistake.
 *
 *   npm run --silent bench:program -- [ROUNDS]
 */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { roundsOf, runBench } from './command.ts'
import { median, rotated } from './statistics.ts'

const ROUNDS = '15'
const programOf = (name: string) => fileURLToPath(new URL(`../../bin/${name}`, import.meta.url))

interface Case {
  what: string
  args: string[]
  milliseconds: number[]
}

function cases(): Case[] {
  const optimizer = programOf('optimizer')
  const all: [what: string, args: string[]][] = [
    ['node, nothing', ['-e', '0']],
    ['optimizer --version', [optimizer, '--version']],
    ['optimizer --help', [optimizer, '--help']],
    ['optimizer optimize --help', [optimizer, 'optimize', '--help']],
    ['optimizer completion bash', [optimizer, 'completion', 'bash']],
    ['optimizer inspect, without an image', [optimizer, 'inspect']],
    ['notifier --help', [programOf('notifier'), '--help']],
  ]
  return all.map(([what, args]) => ({ what, args, milliseconds: [] }))
}

await runBench(async (signal) => {
  const rounds = roundsOf(process.argv[2] ?? ROUNDS)
  const list = cases()
  // The first round brings the files into memory.
  for (let round = 0; round <= rounds; round++)
    for (const { args, milliseconds } of rotated(list, round)) {
      signal.throwIfAborted()
      const begun = performance.now()
      spawnSync(process.execPath, args, { stdio: 'ignore' })
      if (round > 0) milliseconds.push(performance.now() - begun)
    }
  const rows = list.map(({ what, milliseconds }) => `| ${what} | ${median(milliseconds).toFixed(0)} ms |`)
  return [`Medians of ${rounds} rounds.`, '', '| command | time |', '| --- | --- |', ...rows, ''].join('\n')
})
