import { completionScript, SHELLS } from '../../shared/completion.ts'
import type { Command } from './command.ts'
import { positional } from './common-options.ts'
import { TITLES } from './titles.ts'
import { oneOf } from './values.ts'

export const completionCommand: Command = {
  ...TITLES.completion,
  examples: [
    {
      command: 'eval "$(optimizer completion bash)"',
      describe: 'in ~/.bashrc, or into /usr/share/bash-completion/completions/optimizer',
    },
    {
      command: 'optimizer completion zsh > ~/.zsh/completions/_optimizer',
      describe: 'into a folder of $fpath',
    },
    {
      command: 'optimizer completion fish > ~/.config/fish/completions/optimizer.fish',
      describe: 'where fish looks by itself',
    },
  ],
  builder: (yargs) =>
    yargs.positional('shell', { type: 'string', choices: SHELLS, describe: 'for which shell' }),

  async run(argv) {
    const shell = oneOf('shell', positional(argv, 'shell'), SHELLS)
    const { programFact } = await import('../program.ts')
    return completionScript(shell, await programFact())
  },
}
