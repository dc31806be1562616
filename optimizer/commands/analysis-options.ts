/** Options of commands that look at images with records of their workloads, and write none. */
import type { Argv } from 'yargs'
import { UsageError } from '../../shared/errors.ts'
import type { AnalysisRequest } from '../analyse-image.ts'
import type { Arguments } from './command.ts'
import {
  addContainerdOptions,
  addOutputOptions,
  addPlatformOption,
  addTocReferenceOption,
  containerdOptions,
  platformOption,
  tocReferenceOption,
} from './common-options.ts'
import { conversionOptions } from './conversion-options.ts'
import { addRecordOptions, givenSources, TO_LOOK_AT } from './given-options.ts'
import { spaceOptions } from './space-options.ts'

export function addAnalysisOptions(yargs: Argv): Argv {
  return addOutputOptions(
    addContainerdOptions(addTocReferenceOption(addPlatformOption(addRecordOptions(yargs, TO_LOOK_AT)))),
  )
}

/** @throws {UsageError} @throws {RecordError} */
export function analysisOptions(argv: Arguments): Omit<AnalysisRequest, 'location'> {
  const { records, recordAnyLayer } = givenSources(argv)
  if (records.length > 1)
    throw new UsageError(
      'ARGUMENT_INVALID',
      `${records.length} records are given, one run is looked at: make one of them first with optimizer records merge`,
    )
  // What a conversion does by itself.
  const conversion = conversionOptions({})
  const { space } = spaceOptions(
    {},
    conversion.format.kind === 'uncompressed' ? 0 : conversion.format.chunkBytes,
  )
  return {
    ...{ records, recordAnyLayer, conversion, space },
    containerd: containerdOptions(argv),
    platform: platformOption(argv),
    tocReference: tocReferenceOption(argv),
  }
}
