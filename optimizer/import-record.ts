/** `optimizer records import`: a record of an image from what another program has written. */
import { PreconditionError } from '../shared/errors.ts'
import type { AccessRecord } from '../shared/record.ts'
import type { ImageLocation } from './image/location.ts'
import { formatPlatform, type Platform } from './image/platform.ts'
import { readRecord } from './order/record-file.ts'
import { type ForeignAccesses, ForeignFormatError, type ImportFormat } from './record/foreign-access.ts'
import { importRecord } from './record/import-record.ts'
import { parseStargzLog } from './record/import-stargz-log.ts'
import { parseStrace } from './record/import-strace.ts'
import { packageVersion } from './version.ts'
import { type ImageOpening, type OpeningContext, withWholeImage } from './whole-image.ts'

const NAMES: Record<ImportFormat, string> = {
  original: 'a record of the original',
  strace: 'a log of strace',
  'stargz-log': 'the log of a snapshotter',
}

export interface ImportRequest extends ImageOpening {
  /** Where the text was read from, for messages. */
  file: string
  text: string
  format: ImportFormat
  image: ImageLocation
  platform: Platform
}

/** @throws {PreconditionError} IMPORT_MALFORMED, IMPORT_EMPTY; whatever is wrong with the image */
export async function importFrom(request: ImportRequest, context: OpeningContext): Promise<AccessRecord> {
  const { file, format, image: location, platform } = request
  const { name, version } = packageVersion()
  return await withWholeImage(request, location, platform, context, async (image, open) => {
    const foreign = parse(request, image.descriptor.digest)
    const layers = await open.indexed()
    const record = importRecord(foreign, {
      image: {
        reference: image.name,
        manifestDigest: image.descriptor.digest,
        platform: formatPlatform(image.platform),
      },
      layers: layers.map(({ descriptor, entries }) => ({ digest: descriptor.digest, entries })),
      recordedBy: `${name} ${version}`,
      from: NAMES[format],
    })
    if (record.entries.length > 0) return record
    throw new PreconditionError(
      'IMPORT_EMPTY',
      `${file} names no file of ${image.name}: is it of another image?`,
    )
  })
}

function parse({ file, text, format }: ImportRequest, manifestDigest: string): ForeignAccesses {
  try {
    if (format === 'strace') return parseStrace(text)
    return format === 'stargz-log' ? parseStargzLog(text) : originalLines(text, manifestDigest)
  } catch (cause) {
    if (!(cause instanceof ForeignFormatError)) throw cause
    throw new PreconditionError('IMPORT_MALFORMED', `${file} is not ${NAMES[format]}: ${cause.message}`, {
      cause,
    })
  }
}

/** Lines about another manifest are looked up by path. @throws {RecordError} naming the line */
function originalLines(text: string, manifest: string): ForeignAccesses {
  const accesses = readRecord(text).entries.map(({ path, manifestDigest, layerIndex }) => ({
    path,
    place: manifestDigest === manifest && layerIndex !== null ? { layerIndex } : null,
    kind: 'open' as const,
    microseconds: 0,
    pid: 0,
    command: null,
  }))
  return { accesses, started: null, unresolved: 0 }
}
