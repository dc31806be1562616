/** What the list of commands shows; nothing else of a command is loaded for it. */
export const TITLES = {
  optimize: {
    usage: 'optimize <source> <target>',
    describe: 'Run the image, learn what it reads, and write it as eStargz with those files first',
  },
  convert: {
    usage: 'convert <source> <target>',
    describe: 'Write the image as eStargz in the order of a record, a list or the source, without running it',
  },
  record: {
    usage: 'record <source>',
    describe: 'Run the image and record what it reads, without converting; to stdout, or to --record-out',
  },
  plan: {
    usage: 'plan <source>',
    describe:
      'Show what would come first by a record or a list, and how large it is; nothing is run or converted',
  },
  explain: {
    usage: 'explain <image>',
    describe:
      'Show what comes first in a finished image; --path tells where a file is, and which record line put it there',
  },
  replay: {
    usage: 'replay <source>',
    describe: 'Run an optimized image again: what of its reads had come first, and what came first in vain',
  },
  records: {
    usage: 'records <action> <subject..>',
    describe:
      'Merge records, compare two, carry one over to another image, exchange them with other programs',
  },
  inspect: {
    usage: 'inspect <image>',
    describe: 'Show per layer format, sizes, TOC digest, landmark and prioritized files',
  },
  verify: {
    usage: 'verify <source> <target>',
    describe: 'Prove that both images hold the same file system, and that the target holds what it says',
  },
  report: {
    usage: 'report <subject..>',
    describe: 'Write a page of what a run reads, where it is in the image, and how soon a start is up',
  },
  simulate: {
    usage: 'simulate <image>',
    describe: 'Predict how soon the image is up over some links, pulled in full and lazily',
  },
  clean: {
    usage: 'clean [place..]',
    describe: 'Remove what a killed run left: only what carries our labels and whose run is dead',
  },
  config: {
    usage: 'config <action> <subject>',
    describe: 'Check a file for --config, or write one from what an image says of itself',
  },
  completion: {
    usage: 'completion <shell>',
    describe: 'Print a completion script: bash, zsh or fish',
  },
} as const

export type CommandName = keyof typeof TITLES
