import { CodedError } from '../../shared/errors.ts'
import { Containerd } from '../containerd/client.ts'
import { type CleanReport, clean } from '../workload/clean.ts'
import { requirePrivilege } from '../workload/privilege.ts'
import type { Command } from './command.ts'
import {
  addContainerdOptions,
  addOutputOptions,
  containerdOptions,
  SNAPSHOTTER_DEFAULT,
  single,
} from './common-options.ts'

const SCHEMA_VERSION = 1

export const cleanCommand: Command = {
  usage: 'clean',
  describe: 'Remove what a killed run left: only what carries our labels and whose run is dead',
  builder: (yargs) =>
    addOutputOptions(addContainerdOptions(yargs)).option('snapshotter', {
      group: 'containerd:',
      type: 'string',
      default: SNAPSHOTTER_DEFAULT,
      describe: 'a snapshotter to look at besides those the runs name',
    }),

  async run(argv, { console }) {
    const { address, namespace } = containerdOptions(argv)
    requirePrivilege()
    const containerd = await Containerd.connect(address, namespace)
    try {
      const report = await clean(containerd, single(argv, 'snapshotter') ?? SNAPSHOTTER_DEFAULT, console)
      for (const id of report.undecided)
        console.warn(`${id} belongs to a process that cannot be seen from here: left alone`)
      const failures = report.runs.flatMap((run) => run.failures)
      if (failures.length > 0)
        throw new CodedError('CLEAN_INCOMPLETE', `could not remove ${failures.join('; ')}`)
      if (argv.json === true)
        return `${JSON.stringify({ schemaVersion: SCHEMA_VERSION, ...report }, null, 2)}\n`
      return formatReport(report)
    } finally {
      containerd.close()
    }
  },
}

function formatReport(report: CleanReport): string {
  if (report.runs.length === 0) return 'nothing to clean\n'
  return report.runs.map((run) => `${run.id}: removed ${run.removed.join(', ')}\n`).join('')
}
