/** What the workload may take of the machine, as options of every command that runs one. */
import type { Argv } from 'yargs'
import type { ContainerOptions, ResourceLimit } from '../workload/spec/container-options.ts'
import type { Arguments } from './command.ts'
import { repeated, single } from './common-options.ts'
import { contradiction, firstTwice, integerBetween, invalidOption, memoryBytes } from './values.ts'

const GROUP = 'Workload:'
/** Less than this, and the runtime's own start does not fit; docker's bound, too. */
const MEMORY_BYTES_MIN = 6 * 1024 ** 2
const CPUS_MIN = 0.01
const CPUS_MAX = 10_000
/** Linux' PID_MAX_LIMIT. */
const PIDS_MAX = 4_194_304
/** @see getrlimit(2) */
const ULIMITS = [
  ...['core', 'cpu', 'data', 'fsize', 'locks', 'memlock', 'msgqueue', 'nice', 'nofile', 'nproc', 'rss'],
  ...['rtprio', 'rttime', 'sigpending', 'stack'],
]
/** @see RLIM_INFINITY in getrlimit(2) */
const UNLIMITED = 2n ** 64n - 1n

export function addLimitOptions(yargs: Argv): Argv {
  return yargs
    .option('ulimit', {
      group: GROUP,
      type: 'string',
      array: true,
      describe:
        'NAME=SOFT[:HARD], a limit of its processes: nofile=65536, core=0, memlock=unlimited (repeatable)',
    })
    .option('memory', {
      alias: 'm',
      group: GROUP,
      type: 'string',
      describe: 'how much memory it may have: 512m, 2g',
    })
    .option('cpus', {
      group: GROUP,
      type: 'string',
      describe: 'how many processors it may use, in time: 1.5',
    })
    .option('pids-limit', {
      group: GROUP,
      type: 'string',
      describe: 'how many processes it may have; -1: any number',
    })
}

/** @throws {UsageError} */
export function limitOptions(
  argv: Arguments,
): Pick<ContainerOptions, 'rlimits' | 'memoryBytes' | 'cpus' | 'pidsMax'> {
  const rlimits = repeated(argv, 'ulimit').map(ulimit)
  const twice = firstTwice(rlimits.map(({ type }) => type))
  if (twice !== undefined)
    throw contradiction(
      `--ulimit ${twice.slice('RLIMIT_'.length).toLowerCase()} is given twice: leave one of them out`,
    )
  const memory = single(argv, 'memory')
  const cpus = single(argv, 'cpus')
  const pids = single(argv, 'pids-limit')
  return {
    ...(rlimits.length === 0 ? {} : { rlimits }),
    ...(memory === undefined ? {} : { memoryBytes: memoryBytes('memory', memory, MEMORY_BYTES_MIN) }),
    ...(cpus === undefined ? {} : { cpus: cpuCount(cpus) }),
    ...(pids === undefined || ['-1', '0'].includes(pids)
      ? {}
      : { pidsMax: integerBetween('pids-limit', pids, 1, PIDS_MAX) }),
  }
}

function cpuCount(text: string): number {
  const count = /^\d*\.?\d+$/.test(text) ? Number(text) : Number.NaN
  if (count >= CPUS_MIN && count <= CPUS_MAX) return count
  throw invalidOption('cpus', text, `write a number such as 1.5, at least ${CPUS_MIN}`)
}

function ulimit(text: string): ResourceLimit {
  const refuse = (wanted: string) => invalidOption('ulimit', text, wanted)
  const [, name = '', softText = '', hardText = softText] =
    /^([a-z]+)=([^:]+)(?::([^:]+))?$/i.exec(text) ?? []
  if (!ULIMITS.includes(name.toLowerCase()))
    throw refuse(`write NAME=SOFT[:HARD], where NAME is one of ${ULIMITS.join(', ')}`)
  const soft = limit(softText)
  const hard = limit(hardText)
  if (soft === undefined || hard === undefined) throw refuse('a limit is a whole number, or unlimited')
  if (soft > hard) throw refuse('the soft limit is above the hard one')
  return { type: `RLIMIT_${name.toUpperCase()}`, soft, hard }
}

/** A bigint only where a number would not be exact. */
function limit(text: string): number | bigint | undefined {
  if (text === 'unlimited' || text === '-1') return UNLIMITED
  const value = /^\d{1,20}$/.test(text) ? BigInt(text) : undefined
  if (value === undefined || value > UNLIMITED) return undefined
  return value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value
}
