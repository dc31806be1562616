import { PreconditionError } from '../../shared/errors.ts'
import { formatBytes } from '../console.ts'
import type { Descriptor } from '../image/descriptor.ts'
import { parseLocation } from '../image/location.ts'
import type { FindTocs, InspectedLayer, Inspection } from '../inspect.ts'
import type { ResolvedImage } from '../store/resolve.ts'
import type { ContentStore } from '../store/store.ts'
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
import { TITLES } from './titles.ts'
import { integerBetween } from './values.ts'

export const inspectCommand: Command = {
  ...TITLES.inspect,
  examples: [
    {
      command: 'optimizer inspect registry.example/python:3-esgz',
      describe: 'what the layers are, and how much of each comes first',
    },
    {
      command: 'optimizer inspect docker://registry.example/python:3-esgz --json',
      describe: 'the same of an image in a registry: a few kilobytes of it are fetched',
    },
    {
      command: 'optimizer inspect oci-archive:python.tar:esgz --toc 0',
      describe: 'the table of contents of the lowest layer',
    },
  ],
  builder: (yargs) =>
    addOutputOptions(addContainerdOptions(addTocReferenceOption(addPlatformOption(yargs))))
      .positional('image', { type: 'string', describe: `the image: ${LOCATION_FORMS}` })
      .option('toc', {
        type: 'string',
        describe: 'print the TOC of this layer (0 = lowest) as it is stored',
      }),

  async run(argv, { console: log, signal }) {
    const location = parseLocation('image', positional(argv, 'image'))
    const platform = platformOption(argv)
    const tocLayer = single(argv, 'toc')
    const [{ withSource }, { inspectImage }, { resolveImage }, { tocFinder }] = await Promise.all([
      import('../open-stores.ts'),
      import('../inspect.ts'),
      import('../store/resolve.ts'),
      import('../toc-images.ts'),
    ])
    return await withSource(location, { ...containerdOptions(argv), signal, log }, async (stores) => {
      const { content, images, name } = stores
      const image = await resolveImage(images, content, name, platform)
      const findTocs = tocFinder(stores, location, image, tocReferenceOption(argv))
      if (tocLayer !== undefined) return await tocText(content, image, findTocs, tocLayer)
      const inspection = await inspectImage(content, image, findTocs)
      return argv.json === true ? `${JSON.stringify(inspection, null, 2)}\n` : formatInspection(inspection)
    })
  },
}

async function tocText(
  content: ContentStore,
  image: ResolvedImage,
  findTocs: FindTocs,
  option: string,
): Promise<string> {
  const { findToc } = await import('../inspect.ts')
  const { layers } = image.manifest
  const index = integerBetween('toc', option, 0, Math.max(0, layers.length - 1))
  const layer = layers[index] as Descriptor | undefined
  const found = layer === undefined ? undefined : await findToc(content, layer, findTocs)
  if (found?.toc !== undefined) return found.toc.json.toString('utf8')
  const why = found?.isExternal ? EXTERNAL_TOC_MISSING : 'has no TOC: it is neither eStargz nor zstd:chunked'
  throw new PreconditionError('TOC_ABSENT', `layer ${index} of ${image.name} ${why}`)
}

function formatInspection(inspection: Inspection): string {
  const rows = inspection.layers.map(layerRow)
  const head = ['layer', 'format', 'size', 'entries', 'landmark', 'files first', 'bytes first', 'TOC digest']
  return [
    `${inspection.name} (${inspection.platform})`,
    `digest ${inspection.digest}`,
    ...tocImageLines(inspection),
    ...formatTable(head, rows),
    ...inspection.layers.flatMap(warningLines),
    '',
  ].join('\n')
}

function tocImageLines({ tocImage }: Inspection): string[] {
  return tocImage === null ? [] : [`TOCs in ${tocImage.name}`]
}

function layerRow({ index, format, sizeBytes, toc }: InspectedLayer): string[] {
  const start = [String(index), format, formatBytes(sizeBytes)]
  if (toc === null) return [...start, '-', '-', '-', '-', '-']
  return [
    ...start,
    String(toc.entries),
    toc.landmark ?? 'none',
    String(toc.prioritizedFiles),
    formatBytes(toc.hotZoneBytes),
    `${toc.digest.slice(0, 19)}… ${toc.annotatedDigest === toc.digest ? 'annotated' : 'NOT ANNOTATED'}`,
  ]
}

const EXTERNAL_TOC_MISSING =
  'has its TOC in another image, and none is found: name it with --estargz-external-toc-ref'

function warningLines({ index, toc, externalToc }: InspectedLayer): string[] {
  if (toc === null) return externalToc ? [`layer ${index} ${EXTERNAL_TOC_MISSING}`] : []
  if (toc.annotatedDigest === toc.digest) return []
  return toc.annotatedDigest === null
    ? [`layer ${index}: the manifest does not annotate the TOC's digest, so clients will not pull it lazily`]
    : [`layer ${index}: the manifest promises the TOC ${toc.annotatedDigest}, found is ${toc.digest}`]
}
