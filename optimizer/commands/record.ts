import { tmpdir } from 'node:os'
import { formatRecord } from '../../shared/record.ts'
import { parseLocation } from '../image/location.ts'
import type { RecordRequest, RecordResult } from '../record-only.ts'
import type { Arguments, Command } from './command.ts'
import {
  addContainerdOptions,
  addOutputOptions,
  addPlatformOption,
  containerdOptions,
  LOCATION_FORMS,
  platformOption,
  positional,
} from './common-options.ts'
import { addConfigOption } from './config-option.ts'
import { addAttachOption, attachRecordTo } from './record-sharing-options.ts'
import { recordingOptions } from './recording-options.ts'
import { runnerOption } from './runner-options.ts'
import { TITLES } from './titles.ts'
import { addWorkloadOptions, DRY_RUN, workloadOptions } from './workload-options.ts'
import { namedWorkloads } from './workloads.ts'

export const recordCommand: Command = {
  ...TITLES.record,
  examples: [
    {
      command:
        'optimizer record docker.io/library/nginx:1 --record-out nginx.jsonl --ready-http http://localhost/ --settle 500ms',
      describe: 'record a server until it serves',
    },
    {
      command: 'optimizer record docker://registry.example/app:1 --attach-record --ready-tcp localhost:80',
      describe: 'put the record beside the image, where `convert --record-from-registry` finds it',
    },
  ],
  builder: (yargs) =>
    addOutputOptions(
      addContainerdOptions(
        addAttachOption(
          addWorkloadOptions(
            addPlatformOption(
              addConfigOption(
                yargs.positional('source', {
                  type: 'string',
                  describe: `the image: ${LOCATION_FORMS}`,
                }),
              ),
            ),
          ),
        ),
      ),
    ),

  async run(argv, context) {
    const request = recordRequest(argv)
    if (argv[DRY_RUN] === true) {
      const { dryRun } = await import('../dry-run.ts')
      return await dryRun({ ...request, platforms: [request.platform] }, context)
    }
    const { recordOnly } = await import('../record-only.ts')
    const { record, result } = await recordOnly(request, context)
    context.console.info(summaryLine(result))
    if (argv.json === true) return `${JSON.stringify(result, null, 2)}\n`
    return result.recordOut === null && result.attached === null ? formatRecord(record) : ''
  },
}

/** Everything that can be wrong with the command line is found here, before anything runs. */
export function recordRequest(argv: Arguments): RecordRequest {
  const source = parseLocation('source', positional(argv, 'source'))
  const workload = workloadOptions(argv)
  const workloads = namedWorkloads(argv)
  const all = [workload, ...workloads.map(({ options }) => options)]
  return {
    source,
    containerd: containerdOptions(argv),
    platform: platformOption(argv),
    runner: runnerOption(argv, source, all),
    spoolFolder: tmpdir(),
    workload,
    workloads,
    recording: recordingOptions(argv, true),
    attachTo: attachRecordTo(argv, source),
  }
}

function summaryLine({ record, recordOut }: RecordResult): string {
  const { files, counters, stop } = record
  const ready = stop.readySeconds === null ? '' : `, ready after ${stop.readySeconds.toFixed(2)} s`
  const where = recordOut === null ? '' : `; the record is in ${recordOut}`
  return `${files} files of the image, ${counters.outsideLayers} outside it${ready}; ended because ${stop.reason}${where}`
}
