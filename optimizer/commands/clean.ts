import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Argv } from 'yargs'
import { CodedError, UsageError } from '../../shared/errors.ts'
import { parseLocation } from '../image/location.ts'
import type { CacheLimits } from '../unpack/clean-cache.ts'
import type { CleanReport } from '../workload/clean.ts'
import { requirePrivilege } from '../workload/privilege.ts'
import type { Arguments, Command, CommandContext } from './command.ts'
import {
  addOutputOptions,
  addSocketOptions,
  containerdOptions,
  repeated,
  SNAPSHOTTER_DEFAULT,
  single,
} from './common-options.ts'
import { addCacheOption, cacheFolder } from './runner-options.ts'
import { TITLES } from './titles.ts'
import { contradiction, durationSeconds, sizeBytes } from './values.ts'

const SCHEMA_VERSION = 1
const CACHE_GROUP = 'Unpacked layers:'

export const cleanCommand: Command = {
  ...TITLES.clean,
  examples: [
    { command: 'optimizer clean', describe: 'what killed runs left in containerd' },
    {
      command: 'optimizer clean oci:python oci-archive:python.tar',
      describe: 'in a layout and beside an archive, without root',
    },
    {
      command: 'optimizer clean --cache --cache-size 10GiB --cache-age 168h',
      describe:
        'unpacked layers that no run uses: those not used for a week, then the oldest until 10 GiB stay',
    },
  ],
  builder: (yargs) => addOutputOptions(addSocketOptions(addCacheOptions(addOwnOptions(yargs)))),

  async run(argv, context) {
    const { console } = context
    const folders = stagingParents(argv)
    const limits = cacheLimits(argv)
    if (limits !== null && folders.length > 0)
      throw contradiction('--cache is about unpacked layers, <place> about images: leave one of them out')
    const report = await (limits !== null
      ? cleanLayers(cacheFolder(argv), limits, context)
      : folders.length > 0
        ? cleanFolders(folders)
        : cleanRuns(argv, context))
    for (const id of report.undecided)
      console.warn(`${id} belongs to a process that cannot be seen from here: left alone`)
    const failures = report.runs.flatMap((run) => run.failures)
    if (failures.length > 0)
      throw new CodedError('CLEAN_INCOMPLETE', `could not remove ${failures.join('; ')}`)
    if (argv.json === true)
      return `${JSON.stringify({ schemaVersion: SCHEMA_VERSION, ...report }, null, 2)}\n`
    return formatReport(report)
  },
}

function addOwnOptions(yargs: Argv): Argv {
  return yargs
    .positional('place', {
      type: 'string',
      array: true,
      describe: 'oci:DIR or oci-archive:FILE, in place of containerd: needs neither root nor a daemon',
    })
    .option('snapshotter', {
      group: 'containerd:',
      type: 'string',
      default: SNAPSHOTTER_DEFAULT,
      describe: 'a snapshotter to look at besides those the runs name',
    })
}

function addCacheOptions(yargs: Argv): Argv {
  return addCacheOption(yargs, CACHE_GROUP)
    .option('cache', {
      group: CACHE_GROUP,
      type: 'boolean',
      default: false,
      describe:
        'remove unpacked layers that no run uses, in place of what runs left: all, or as the limits say',
    })
    .option('cache-size', {
      group: CACHE_GROUP,
      type: 'string',
      describe: 'with --cache: remove the longest unused until the others have no more bytes, e.g. 10GiB',
    })
    .option('cache-age', {
      group: CACHE_GROUP,
      type: 'string',
      describe: 'with --cache: remove what was not used for longer, e.g. 168h',
    })
}

/** null: not asked for. @throws {UsageError} */
function cacheLimits(argv: Arguments): CacheLimits | null {
  const size = single(argv, 'cache-size')
  const age = single(argv, 'cache-age')
  if (argv.cache !== true) {
    if (size === undefined && age === undefined) return null
    throw contradiction('--cache-size and --cache-age are limits of --cache: add that')
  }
  return {
    ...(size === undefined
      ? {}
      : { sizeBytesMax: sizeBytes('cache-size', size, 0, Number.MAX_SAFE_INTEGER) }),
    ...(age === undefined ? {} : { ageSecondsMax: durationSeconds('cache-age', age) }),
  }
}

/** @param limits null: only what killed runs left there */
async function cleanLayers(
  folder: string,
  limits: CacheLimits | null,
  { console, signal }: CommandContext,
): Promise<CleanReport> {
  const [{ LayerCache }, { cleanCache }, { runFoldersRoot }] = await Promise.all([
    import('../unpack/layer-cache.ts'),
    import('../unpack/clean-cache.ts'),
    import('../workload/run.ts'),
  ])
  if (!LayerCache.isIn(folder)) return { runs: [], undecided: [] }
  const cache = LayerCache.open(folder, console)
  const isRunKnown = (id: string) => existsSync(join(runFoldersRoot(), id))
  const { removed, failures, undecided } = await cleanCache(cache, limits, isRunKnown, signal)
  const found = removed.length > 0 || failures.length > 0
  return { runs: found ? [{ id: cache.folder, removed, failures }] : [], undecided }
}

/** Where runs that wrote these images have kept what was not finished. */
function stagingParents(argv: Arguments): string[] {
  const parents = repeated(argv, 'place').map((text) => {
    const location = parseLocation('place', text)
    if (location.kind === 'docker')
      throw new UsageError(
        'IMAGE_ARGUMENT_INVALID',
        `${text} is in a registry: of what was sent there and has no name it disposes itself`,
      )
    if (location.kind !== 'containerd')
      return location.kind === 'oci' ? location.path : dirname(location.path)
    throw new UsageError(
      'IMAGE_ARGUMENT_INVALID',
      `${text} is a name in containerd, which is cleaned as a whole: name no place for it, else oci:DIR or oci-archive:FILE`,
    )
  })
  return [...new Set(parents)]
}

async function cleanFolders(folders: readonly string[]): Promise<CleanReport> {
  const { cleanStaging } = await import('../store/clean-staging.ts')
  return joined(await Promise.all(folders.map(cleanStaging)))
}

/** Of runs with containerd and without; where there is no containerd and nobody asks for one, without it. */
async function cleanRuns(argv: Arguments, context: CommandContext): Promise<CleanReport> {
  requirePrivilege(
    'what a run has mounted is unmounted with CAP_SYS_ADMIN alone: run as root (sudo), or name oci:DIR or oci-archive:FILE',
  )
  const { cachesOfRuns, cleanOwnRuns, hasRunsFor } = await import('../workload/clean.ts')
  // The runs' own words go with them.
  const caches = [...new Set([cacheFolder(argv), ...cachesOfRuns()])]
  const own = await cleanOwnRuns(context.console)
  const layers = joined(await Promise.all(caches.map((folder) => cleanWhatCanBe(folder, context))))
  const { address, namespace } = containerdOptions(argv)
  const isAskedFor = single(argv, 'address') !== undefined || process.env.CONTAINERD_ADDRESS !== undefined
  if (!isAskedFor && !existsSync(address) && !hasRunsFor({ address, namespace })) {
    context.console.info(`there is no containerd at ${address}: runs without it were looked for alone`)
    return joined([own, layers])
  }
  return joined([own, layers, await cleanContainerd(argv, context)])
}

/** A cache that is another user's, or broken, is not what was asked about: runs are. */
async function cleanWhatCanBe(folder: string, context: CommandContext): Promise<CleanReport> {
  try {
    return await cleanLayers(folder, null, context)
  } catch (error) {
    if (!(error instanceof CodedError && error.code === 'CACHE_UNUSABLE')) throw error
    context.console.warn(`not looked at: ${error.message}`)
    return { runs: [], undecided: [] }
  }
}

async function cleanContainerd(argv: Arguments, { console }: CommandContext): Promise<CleanReport> {
  const { address, namespace } = containerdOptions(argv)
  const [{ Containerd }, { clean }] = await Promise.all([
    import('../containerd/client.ts'),
    import('../workload/clean.ts'),
  ])
  const containerd = await Containerd.connect(address, namespace)
  try {
    return await clean(containerd, single(argv, 'snapshotter') ?? SNAPSHOTTER_DEFAULT, console)
  } finally {
    containerd.close()
  }
}

function joined(reports: readonly CleanReport[]): CleanReport {
  return {
    runs: reports.flatMap(({ runs }) => runs),
    undecided: reports.flatMap(({ undecided }) => undecided),
  }
}

function formatReport(report: CleanReport): string {
  if (report.runs.length === 0) return 'nothing to clean\n'
  return report.runs.map((run) => `${run.id}: removed ${run.removed.join(', ')}\n`).join('')
}
