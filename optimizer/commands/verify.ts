import { CodedError, EXIT } from '../../shared/errors.ts'
import { formatBytes } from '../console.ts'
import { type ImageLocation, parseLocation } from '../image/location.ts'
import { parsePlatform } from '../image/platform.ts'
import { type OpenStores, withSource } from '../open-stores.ts'
import type { Difference } from '../verify/difference.ts'
import type { Verification, VerifiedPlatform } from '../verify/result.ts'
import { type ImageSide, verifyImages } from '../verify/verify-images.ts'
import type { Command, FailedResult } from './command.ts'
import {
  addContainerdOptions,
  addOutputOptions,
  containerdOptions,
  LOCATION_FORMS,
  positional,
  repeated,
  single,
} from './common-options.ts'
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
    return verification.equal ? output : failed(verification, output)
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

function failed({ source, target, differenceCount }: Verification, output: string): FailedResult {
  const differences = differenceCount === 1 ? 'one difference' : `${differenceCount} differences`
  const message = `${target.name} is not a faithful conversion of ${source.name}: ${differences}; docs/verify.md says what each code means`
  return { output, failure: new CodedError('VERIFICATION_FAILED', message, { exitCode: EXIT.verification }) }
}

function formatVerification(verification: Verification): string {
  const { equal, source, target, platforms, platformsLeftOut, differences, differenceCount } = verification
  const rest = differenceCount - differences.length
  const lines = equal
    ? [`${target.name} is equal to ${source.name}: ${platforms.map(platformText).join('; ')}`]
    : [
        ...differences.map(differenceLine),
        ...(rest > 0 ? [`and ${rest} more: --max-differences lists them`] : []),
      ]
  if (platformsLeftOut.length > 0) lines.push(`not in the target: ${platformsLeftOut.join(', ')}`)
  return lines.map((line) => `${line}\n`).join('')
}

function platformText({ platform, layers, fileSystem }: VerifiedPlatform): string {
  const chunks = layers.reduce((sum, { toc }) => sum + (toc?.chunks ?? 0), 0)
  const { files = 0, contentBytes = 0 } = fileSystem ?? {}
  return `${platform} ${layers.length} layers, ${files} files of ${formatBytes(contentBytes)}, ${chunks} chunks`
}

/** `CODE [platform] [layer n] [/path]: message`, on one line whatever is in it. */
function differenceLine({ code, platform, layer, path, message }: Difference): string {
  const place = [
    ...(platform === null ? [] : [platform]),
    ...(layer === null ? [] : [`layer ${layer}`]),
    ...(path === null ? [] : [`/${path}`]),
  ].join(' ')
  return `${code}${place === '' ? '' : ` ${place}`}: ${message}`.replace(
    /\p{Cc}/gu,
    (character) => `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`,
  )
}
