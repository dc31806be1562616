/** What a new image is besides its layers' bytes, as options of every command that writes one. */
import type { Argv } from 'yargs'
import { UsageError } from '../../shared/errors.ts'
import type { OutputOptions } from '../conversion.ts'
import { type ImageLocation, nameInStore, parseLocation } from '../image/location.ts'
import { hostPlatform, parsePlatform } from '../image/platform.ts'
import { normalizeReference, parseReference } from '../image/reference.ts'
import type { PlatformSelection } from '../store/resolve.ts'
import { GZIP_HELPER_NAMES, type GzipHelper, requireGzipHelper } from '../tar/gzip-helper.ts'
import type { Arguments } from './command.ts'
import { positional, repeated, single } from './common-options.ts'
import { conversionOptions } from './conversion-options.ts'
import { hotZoneLimits } from './hot-zone-options.ts'
import { addSpaceOptions, spaceOptions } from './space-options.ts'
import { invalidOption, oneOf } from './values.ts'

const GROUP = 'Image:'

/** Of commands that take several platforms of an image. */
export function addPlatformOptions(yargs: Argv): Argv {
  return yargs
    .option('platform', {
      group: GROUP,
      type: 'string',
      array: true,
      describe: 'which platform of the image, os/architecture[/variant] (repeatable)',
      defaultDescription: "this machine's",
    })
    .option('all-platforms', {
      group: GROUP,
      type: 'boolean',
      default: false,
      describe: 'every platform of the image',
    })
}

export function addOutputImageOptions(yargs: Argv): Argv {
  return addPlatformOptions(addSpaceOptions(yargs))
    .option('attestations', {
      group: GROUP,
      choices: ['drop', 'keep'],
      default: 'drop',
      describe: 'what becomes of SBOM and provenance beside the image; they are about the source',
    })
    .option('annotation', {
      group: GROUP,
      type: 'string',
      array: true,
      describe: 'KEY=VALUE, an annotation of the new manifest (repeatable)',
    })
    .option('reuse', {
      group: GROUP,
      type: 'boolean',
      default: false,
      describe: 'keep layers that are as wanted already byte for byte; lost annotations are made anew',
    })
    .option('verify', {
      group: GROUP,
      type: 'boolean',
      default: false,
      describe: 'compare the result with the source before the target appears: exit code 6 where they differ',
    })
}

export function platformSelection(argv: Arguments): PlatformSelection {
  const texts = repeated(argv, 'platform')
  if (argv['all-platforms'] !== true) return texts.length === 0 ? [hostPlatform()] : texts.map(parsePlatform)
  if (texts.length === 0) return 'all'
  throw new UsageError(
    'OPTIONS_CONTRADICT',
    '--all-platforms and --platform contradict: leave one of them out',
  )
}

/** A place to write to: a tag, never a digest. */
export function targetLocation(argv: Arguments): ImageLocation {
  const location = parseLocation('target', positional(argv, 'target'))
  if (location.kind === 'docker-archive')
    throw new UsageError(
      'IMAGE_ARGUMENT_INVALID',
      '<target> docker-archive: holds plain tars alone, not what is written here: use oci-archive:FILE, which `docker load` of Docker 25 takes, too, or docker://',
    )
  const isDigest =
    location.kind === 'docker'
      ? location.reference.digest !== null
      : location.kind !== 'containerd' && location.reference !== null && 'digest' in location.reference
  if (!isDigest) return location
  throw new UsageError(
    'IMAGE_ARGUMENT_INVALID',
    '<target> names a digest, which follows from the bytes: name a tag',
  )
}

/** @throws {UsageError} */
export function outputOptions(argv: Arguments): OutputOptions {
  const conversion = conversionOptions(argv)
  const { format } = conversion
  const { space, ...memory } = spaceOptions(argv, format.kind === 'uncompressed' ? 0 : format.chunkBytes)
  const output: OutputOptions = {
    attestations: oneOf('attestations', single(argv, 'attestations') ?? 'drop', ['drop', 'keep']),
    annotations: annotationOptions(argv),
    reuse: argv.reuse === true,
    verify: argv.verify === true,
    limits: hotZoneLimits(argv),
    tocReference: single(argv, 'estargz-external-toc-ref') ?? null,
    gzipHelper: gzipHelper(argv),
    space,
    conversion: { ...conversion, ...memory },
  }
  if (format.kind === 'estargz' && format.externalToc === true) requireExternalTocAlone(argv, output)
  return output
}

/** @throws {GzipHelperError} */
function gzipHelper(argv: Arguments): GzipHelper | null {
  const text = single(argv, 'estargz-gzip-helper')
  if (text === undefined) return null
  const helper = oneOf('estargz-gzip-helper', text, GZIP_HELPER_NAMES)
  requireGzipHelper(helper)
  return helper
}

/** What reads layers from their ends finds no TOC there. */
function requireExternalTocAlone(argv: Arguments, { reuse, tocReference }: OutputOptions): void {
  const other = reuse ? 'reuse' : argv.uncompress === true ? 'uncompress' : null
  if (other !== null)
    throw new UsageError('OPTIONS_CONTRADICT', `--${other} does not go with --estargz-external-toc`)
  const target = targetLocation(argv)
  if (tocReference === null && 'reference' in target && target.reference === null) {
    throw new UsageError(
      'OPTIONS_CONTRADICT',
      '--estargz-external-toc writes two images: give <target> a tag, so that they can be told apart',
    )
  }
  if (tocReference !== null) requireTocReference(target, tocReference)
}

/** A second name in the target's store, known to be one before there is anything to name. @throws {UsageError} */
function requireTocReference(target: ImageLocation, text: string): void {
  const refused = (wanted: string) => invalidOption('estargz-external-toc-ref', text, wanted)
  const bare = target.kind === 'docker' ? text.replace(/^docker:\/\//, '') : text
  const wholeOf = (name: string) => normalizeReference(name) ?? name
  if (target.kind === 'docker') {
    const { registry, repository } = target.reference
    const named = parseReference(bare)
    const isBeside = named?.registry === registry && named.repository === repository && named.digest === null
    if (!isBeside) throw refused(`name a tag of ${registry}/${repository}, where <target> is`)
  }
  const isOther =
    target.kind === 'containerd' || target.kind === 'docker'
      ? wholeOf(bare) !== wholeOf(nameInStore(target))
      : text !== nameInStore(target)
  if (!isOther) throw refused('it is <target> itself: name another image')
}

/** @throws {UsageError} where layers shall keep their order and get another one */
export function requireOrderKept({ conversion }: OutputOptions, orders: boolean): void {
  if (!orders || conversion.format.kind !== 'estargz' || conversion.format.keepDiffId !== true) return
  throw new UsageError(
    'OPTIONS_CONTRADICT',
    '--estargz-keep-diff-id keeps the order of the layers: it goes with no record and no list (use --no-optimize)',
  )
}

/** KEY=VALUE, repeatable. @throws {UsageError} */
export function annotationOptions(argv: Arguments): Record<string, string> {
  return Object.fromEntries(repeated(argv, 'annotation').map(annotation))
}

function annotation(text: string): [key: string, value: string] {
  const at = text.indexOf('=')
  if (at > 0) return [text.slice(0, at), text.slice(at + 1)]
  throw invalidOption('annotation', text, 'write KEY=VALUE')
}
