import type { Argv } from 'yargs'
import type { ReplayRequest } from '../replay.ts'
import type { Arguments, Command } from './command.ts'
import {
  addContainerdOptions,
  addOutputOptions,
  addPlatformOption,
  addTocReferenceOption,
  LOCATION_FORMS,
  single,
  tocReferenceOption,
} from './common-options.ts'
import { addConfigOption } from './config-option.ts'
import { recordRequest } from './record.ts'
import { TITLES } from './titles.ts'
import { invalidOption } from './values.ts'
import { addWorkloadOptions, DRY_RUN } from './workload-options.ts'

export const replayCommand: Command = {
  ...TITLES.replay,
  examples: [
    {
      command: "optimizer replay registry.example/nginx:1-esgz --http 'GET http://localhost/' --settle 500ms",
      describe:
        'run it as it was run for its record: what was in the hot zone, what was not, what was fetched in vain',
    },
    {
      command: 'optimizer replay registry.example/nginx:1-esgz --min-hit 95% --json',
      describe: 'in CI: exit code 6 where less of what was read had come first',
    },
    {
      command: 'optimizer replay --config nginx.yaml --min-hit 95%',
      describe: 'the target and the workloads of the file that it was optimized with',
    },
  ],
  builder: (yargs) =>
    addOutputOptions(
      addContainerdOptions(
        addWorkloadOptions(addPlatformOption(addConfigOption(addTocReferenceOption(addOwnOptions(yargs))))),
      ),
    ),

  async run(argv, context) {
    const minHit = minHitOption(argv)
    const request = replayRequest(argv)
    const { recording } = request
    if (argv[DRY_RUN] === true) {
      const { dryRun } = await import('../dry-run.ts')
      return await dryRun({ ...recording, platforms: [recording.platform] }, context)
    }
    const [{ replay }, { formatReplay, hitError }] = await Promise.all([
      import('../replay.ts'),
      import('../plan/replay.ts'),
    ])
    const result = await replay(request, context)
    const output = argv.json === true ? `${JSON.stringify(result, null, 2)}\n` : formatReplay(result.replay)
    const failure = minHit === null ? null : hitError(result.replay, minHit)
    return failure === null ? output : { output, failure }
  },
}

function addOwnOptions(yargs: Argv): Argv {
  return yargs
    .positional('source', {
      type: 'string',
      describe: `an optimized image: ${LOCATION_FORMS}`,
    })
    .option('min-hit', {
      type: 'string',
      describe: 'exit code 6 where less of the files that were read, or of their bytes, had come first: 95%',
    })
}

/** Everything that can be wrong with the command line is found here, before anything runs. */
export function replayRequest(argv: Arguments): ReplayRequest {
  return {
    recording: recordRequest(argv),
    tocReference: tocReferenceOption(argv),
  }
}

/** `95%` → 0.95 */
function minHitOption(argv: Arguments): number | null {
  const text = single(argv, 'min-hit')
  if (text === undefined) return null
  const match = /^(\d+(?:\.\d+)?)%$/.exec(text.trim())
  const share = match === null ? Number.NaN : Number(match[1]) / 100
  if (share > 0 && share <= 1) return share
  throw invalidOption('min-hit', text, 'write a share such as 95%, more than 0 and at most 100%')
}
