import { type ImageLocation, parseLocation } from '../image/location.ts'
import { parsePlatform } from '../image/platform.ts'
import { type OpenStores, withSource } from '../open-stores.ts'
import { formatVerification, verificationError } from '../verify/report.ts'
import { type ImageSide, verifyImages } from '../verify/verify-images.ts'
import type { Command } from './command.ts'
import {
  addContainerdOptions,
  addOutputOptions,
  containerdOptions,
  LOCATION_FORMS,
  positional,
  repeated,
  single,
} from './common-options.ts'
import { annotationOptions } from './output-options.ts'
import { integerBetween } from './values.ts'

const DIFFERENCES_DEFAULT = 20
const DIFFERENCES_MAX = 1_000_000

export const verifyCommand: Command = {
  usage: 'verify <source> <target>',
  describe: 'Prove that both images hold the same file system, and that the target holds what it says',
  builder: (yargs) =>
    addOutputOptions(addContainerdOptions(yargs))
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
    const place = containerdOptions(argv)
    const verification = await withSource(locations.source, place, (source) =>
      withSource(locations.target, place, async (target) =>
        verifyImages({
          source: await imageSide(source),
          target: await imageSide(target),
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

async function imageSide({ content, images, name }: OpenStores): Promise<ImageSide> {
  const found = await images.find(name)
  return { name: found.name, root: found.target, content }
}

/** OCI layouts have no place for labels. */
function keepsLabels(location: ImageLocation): boolean {
  return location.kind === 'containerd'
}
