import { type ImageLocation, parseLocation } from '../image/location.ts'
import { parsePlatform } from '../image/platform.ts'
import type { OpenStores } from '../open-stores.ts'
import type { StoredImage } from '../store/store.ts'
import type { ImageSide, VerifyRequest } from '../verify/verify-images.ts'
import type { Command } from './command.ts'
import {
  addContainerdOptions,
  addOutputOptions,
  addTocReferenceOption,
  containerdOptions,
  LOCATION_FORMS,
  positional,
  repeated,
  single,
  tocReferenceOption,
} from './common-options.ts'
import { annotationOptions } from './output-options.ts'
import { TITLES } from './titles.ts'
import { integerBetween } from './values.ts'

const DIFFERENCES_DEFAULT = 20
const DIFFERENCES_MAX = 1_000_000

export const verifyCommand: Command = {
  ...TITLES.verify,
  examples: [
    {
      command: 'optimizer verify docker.io/library/python:3 registry.example/python:3-esgz',
      describe: 'compare original and result in containerd',
    },
    {
      command: 'optimizer verify oci:python oci-archive:python.tar:esgz --all-platforms --json',
      describe: 'a layout and an archive, every platform, for programs',
    },
  ],
  builder: (yargs) =>
    addOutputOptions(addContainerdOptions(addTocReferenceOption(yargs)))
      .positional('source', { type: 'string', describe: `the image as it was: ${LOCATION_FORMS}` })
      .positional('target', { type: 'string', describe: 'the converted image, likewise' })
      .option('platform', {
        type: 'string',
        describe: 'compare this one, os/architecture[/variant]; may be repeated',
        defaultDescription: 'every platform of the target',
      })
      .option('all-platforms', {
        type: 'boolean',
        default: false,
        describe: 'the target must have every platform of the source',
      })
      .option('annotation', {
        type: 'string',
        array: true,
        describe: 'KEY=VALUE that the conversion was told to set: the target has it, whatever the source has',
      })
      .option('max-differences', {
        type: 'string',
        default: String(DIFFERENCES_DEFAULT),
        describe: 'how many differences are listed; all are counted',
      }),

  async run(argv, { console, signal }) {
    const locations = {
      source: parseLocation('source', positional(argv, 'source')),
      target: parseLocation('target', positional(argv, 'target')),
    }
    const platforms = repeated(argv, 'platform').map(parsePlatform)
    const annotations = annotationOptions(argv)
    const differencesMax = integerBetween(
      'max-differences',
      single(argv, 'max-differences') ?? String(DIFFERENCES_DEFAULT),
      1,
      DIFFERENCES_MAX,
    )
    const place = { ...containerdOptions(argv), signal, log: console }
    const [{ withSource }, { verifyImages }, { formatVerification, verificationError }] = await Promise.all([
      import('../open-stores.ts'),
      import('../verify/verify-images.ts'),
      import('../verify/report.ts'),
    ])
    const verification = await withSource(locations.source, place, (source) =>
      withSource(locations.target, place, async (target) =>
        verifyImages({
          source: imageSide(source, await source.images.find(source.name)),
          ...(await targetSides(target, locations.target, tocReferenceOption(argv))),
          platforms: platforms.length === 0 ? null : platforms,
          allPlatforms: argv['all-platforms'] === true,
          gcLabels: keepsLabels(locations.target),
          annotations,
          differencesMax,
          signal,
          onProgress: ({ platform, layer, layers }) =>
            console.live(`comparing layer ${layer + 1} of ${layers} (${platform})`),
        }),
      ),
    )
    console.endLive()
    const output =
      argv.json === true ? `${JSON.stringify(verification, null, 2)}\n` : formatVerification(verification)
    return verification.equal ? output : { output, failure: verificationError(verification) }
  },
}

function imageSide({ content }: OpenStores, { name, target }: StoredImage): ImageSide {
  return { name, root: target, content }
}

async function targetSides(
  stores: OpenStores,
  location: ImageLocation,
  reference: string | null,
): Promise<Pick<VerifyRequest, 'target' | 'tocImage'>> {
  const { findTocImage } = await import('../toc-images.ts')
  const target = await stores.images.find(stores.name)
  const tocImage = await findTocImage(stores, location, target, reference)
  return {
    target: imageSide(stores, target),
    tocImage: tocImage === null ? null : { name: tocImage.name, root: tocImage.target },
  }
}

/** OCI layouts have no place for labels. */
function keepsLabels(location: ImageLocation): boolean {
  return location.kind === 'containerd'
}
