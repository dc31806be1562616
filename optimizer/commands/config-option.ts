/** `--config`: options from a file. The file itself is read in ../config/. */
import type { Argv } from 'yargs'

export function addConfigOption(yargs: Argv): Argv {
  return yargs.option('config', {
    type: 'string',
    describe: 'options from this file, YAML or JSON; the command line goes before it (docs/config.md)',
  })
}
