/** Container networks, as options of every command that runs a workload. */
import type { Argv } from 'yargs'
import { UsageError } from '../../shared/errors.ts'
import { readNetwork, requirePlugins } from '../workload/cni/network.ts'
import type { WorkloadOptions } from '../workload/options.ts'
import type { Arguments } from './command.ts'
import { repeated, single } from './common-options.ts'

const CONFIG_FOLDER_DEFAULT = '/etc/cni/net.d'
/** The plugins' own default, and Debian's. */
const PLUGIN_FOLDERS_DEFAULT = ['/opt/cni/bin', '/usr/lib/cni']
const DETAILS = ['cni-network', 'cni-plugin-conf-dir', 'cni-plugin-dir']

export function addCniOptions(yargs: Argv): Argv {
  const option = { group: 'Workload:', type: 'string' } as const
  return yargs
    .option('cni', {
      group: 'Workload:',
      type: 'boolean',
      default: false,
      describe: 'attach it to a network that CNI plugins make, in place of a loopback alone',
    })
    .option('cni-network', {
      ...option,
      describe: 'name of the network of --cni',
      defaultDescription: "that of the first file, by the files' names",
    })
    .option('cni-plugin-conf-dir', {
      ...option,
      describe: 'where networks are configured',
      defaultDescription: CONFIG_FOLDER_DEFAULT,
    })
    .option('cni-plugin-dir', {
      ...option,
      array: true,
      describe: 'where the plugins are (repeatable)',
      defaultDescription: PLUGIN_FOLDERS_DEFAULT.join(' and '),
    })
}

/** Reads the network's configuration. @throws {UsageError} @throws {PreconditionError} @see ../workload/cni/network.ts */
export function cniOptions(argv: Arguments): Pick<WorkloadOptions, 'cni'> {
  const detail = DETAILS.find((name) => argv[name] !== undefined)
  if (argv.cni !== true) {
    if (detail === undefined) return {}
    throw new UsageError('OPTIONS_CONTRADICT', `--${detail} does nothing without --cni: add that`)
  }
  if (argv['net-host'] === true) {
    throw new UsageError(
      'OPTIONS_CONTRADICT',
      "--cni gives it a network of its own, --net-host the host's: leave one of them out",
    )
  }
  const folders = repeated(argv, 'cni-plugin-dir').flatMap((text) => text.split(':'))
  const pluginDirs = folders.length > 0 ? folders : PLUGIN_FOLDERS_DEFAULT
  const network = readNetwork(
    single(argv, 'cni-plugin-conf-dir') ?? CONFIG_FOLDER_DEFAULT,
    single(argv, 'cni-network'),
  )
  requirePlugins(network, pluginDirs)
  return { cni: { network, pluginDirs } }
}
