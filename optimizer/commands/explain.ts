import type { ExplainedImage } from '../explain-image.ts'
import { parseLocation } from '../image/location.ts'
import { formatTable } from '../table.ts'
import type { Command } from './command.ts'
import {
  addContainerdOptions,
  addOutputOptions,
  addPlatformOption,
  addTocReferenceOption,
  containerdOptions,
  LOCATION_FORMS,
  platformOption,
  positional,
  single,
  tocReferenceOption,
} from './common-options.ts'
import { addRecordOptions, givenSources, TO_LOOK_AT } from './given-options.ts'
import { TITLES } from './titles.ts'

export const explainCommand: Command = {
  ...TITLES.explain,
  examples: [
    {
      command: 'optimizer explain registry.example/python:3-esgz',
      describe: 'what comes first in each layer, and where most of it is',
    },
    {
      command: 'optimizer explain docker://registry.example/python:3-esgz --json',
      describe: 'the same of an image in a registry: its tables of contents are fetched, and no layer',
    },
    {
      command: 'optimizer explain oci:python:esgz --path /usr/bin/python3 --record-in python.jsonl',
      describe: 'where a file is, whether it comes first, and which line of the record put it there',
    },
  ],
  builder: (yargs) =>
    addOutputOptions(
      addContainerdOptions(addTocReferenceOption(addPlatformOption(addRecordOptions(yargs, TO_LOOK_AT)))),
    )
      .positional('image', { type: 'string', describe: `the image: ${LOCATION_FORMS}` })
      .option('path', {
        type: 'string',
        describe: 'tell of this file alone: layer, chunks, whether it comes first',
      }),

  async run(argv, { console: log, signal }) {
    const location = parseLocation('image', positional(argv, 'image'))
    const platform = platformOption(argv)
    const sources = givenSources(argv)
    const path = single(argv, 'path')
    const [{ withSource }, { explainWithTocs }, { resolveImage }, { tocFinder }] = await Promise.all([
      import('../open-stores.ts'),
      import('../explain-image.ts'),
      import('../store/resolve.ts'),
      import('../toc-images.ts'),
    ])
    return await withSource(location, { ...containerdOptions(argv), signal, log }, async (stores) => {
      const image = await resolveImage(stores.images, stores.content, stores.name, platform)
      const findTocs = tocFinder(stores, location, image, tocReferenceOption(argv))
      const explained = await explainWithTocs(stores.content, image, findTocs, sources)
      return path === undefined
        ? await imageText(explained, argv.json === true)
        : await pathText(explained, path, argv.json === true)
    })
  },
}

async function imageText({ analysis }: ExplainedImage, asJson: boolean): Promise<string> {
  const [{ analysisDocument }, { formatAnalysis }] = await Promise.all([
    import('../plan/document.ts'),
    import('../plan/text.ts'),
  ])
  return asJson
    ? `${JSON.stringify(analysisDocument([analysis]), null, 2)}\n`
    : formatAnalysis(analysis, formatTable)
}

async function pathText({ analysis, tocs }: ExplainedImage, path: string, asJson: boolean): Promise<string> {
  const [{ explainPath }, { formatPath }] = await Promise.all([
    import('../plan/explain-path.ts'),
    import('../plan/path-text.ts'),
  ])
  const where = explainPath(path, analysis, tocs)
  return asJson ? `${JSON.stringify(where, null, 2)}\n` : formatPath(where, analysis)
}
