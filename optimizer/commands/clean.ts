import { dirname } from 'node:path'
import type { Argv } from 'yargs'
import { CodedError, UsageError } from '../../shared/errors.ts'
import { parseLocation } from '../image/location.ts'
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
import { TITLES } from './titles.ts'

const SCHEMA_VERSION = 1

export const cleanCommand: Command = {
  ...TITLES.clean,
  examples: [
    { command: 'optimizer clean', describe: 'what killed runs left in containerd' },
    {
      command: 'optimizer clean oci:python oci-archive:python.tar',
      describe: 'in a layout and beside an archive, without root',
    },
  ],
  builder: (yargs) => addOutputOptions(addSocketOptions(addOwnOptions(yargs))),

  async run(argv, context) {
    const { console } = context
    const folders = stagingParents(argv)
    const report = folders.length > 0 ? await cleanFolders(folders) : await cleanContainerd(argv, context)
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
  const reports = await Promise.all(folders.map(cleanStaging))
  return {
    runs: reports.flatMap(({ runs }) => runs),
    undecided: reports.flatMap(({ undecided }) => undecided),
  }
}

async function cleanContainerd(argv: Arguments, { console }: CommandContext): Promise<CleanReport> {
  const { address, namespace } = containerdOptions(argv)
  requirePrivilege(
    'what a run has mounted is unmounted with CAP_SYS_ADMIN alone: run as root (sudo), or name oci:DIR or oci-archive:FILE',
  )
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

function formatReport(report: CleanReport): string {
  if (report.runs.length === 0) return 'nothing to clean\n'
  return report.runs.map((run) => `${run.id}: removed ${run.removed.join(', ')}\n`).join('')
}
