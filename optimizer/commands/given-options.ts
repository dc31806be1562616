/** What comes first where nothing is run: records and a list, as options of every command that converts. */
import { existsSync } from 'node:fs'
import type { Argv } from 'yargs'
import { CodedError, PreconditionError, UsageError } from '../../shared/errors.ts'
import { type Platform, parsePlatform } from '../image/platform.ts'
import type { GivenSources } from '../order/given-order.ts'
import { type PrefetchList, parsePrefetchList } from '../order/prefetch-list.ts'
import { type GivenRecord, readRecord } from '../order/record-file.ts'
import type { Arguments } from './command.ts'
import { repeated, single } from './common-options.ts'
import { addHotZoneOptions } from './hot-zone-options.ts'
import { inputFile, oneOf } from './values.ts'

const GROUP = 'Order:'

export function addGivenOptions(yargs: Argv): Argv {
  return addOrderOptions(yargs).option('no-optimize', {
    group: GROUP,
    type: 'boolean',
    default: false,
    describe: 'every layer in source order, without running anything',
  })
}

/** Of commands that order layers, or look at what that would give. */
export function addOrderOptions(yargs: Argv): Argv {
  return addHotZoneOptions(addRecordOptions(yargs)).option('prefetch-list', {
    group: GROUP,
    type: 'string',
    describe: 'order by the paths and globs in this file',
  })
}

const TO_ORDER_BY = {
  group: GROUP,
  recordIn: 'order by this record, ours or ctr-remote’s; PLATFORM=FILE for one platform (repeatable)',
}
/** Of commands that look at an image as it is. */
export const TO_LOOK_AT = {
  group: 'Record:',
  recordIn: 'what a run has read: the record of this image, or of the one that it was made from',
}

export function addRecordOptions(yargs: Argv, { group, recordIn } = TO_ORDER_BY): Argv {
  return yargs
    .option('record-in', { group, type: 'string', array: true, describe: recordIn })
    .option('record-any-layer', {
      group,
      type: 'boolean',
      default: false,
      describe: 'apply records by path alone, to every layer of any image, as ctr-remote does',
    })
}

/** Everything that is wrong with the files themselves is found here. @throws {UsageError} @throws {RecordError} */
export function givenSources(argv: Arguments): GivenSources {
  const files = repeated(argv, 'record-in')
  const listFile = single(argv, 'prefetch-list')
  if (argv['no-optimize'] === true && (files.length > 0 || listFile !== undefined)) {
    throw new UsageError(
      'OPTIONS_CONTRADICT',
      '--no-optimize keeps the source order, --record-in and --prefetch-list give one: leave one of them out',
    )
  }
  return {
    records: files.map(givenRecord),
    recordAnyLayer: argv['record-any-layer'] === true,
    list: listFile === undefined ? null : prefetchList(listFile),
    onLoss: oneOf('on-loss', single(argv, 'on-loss') ?? 'fail', ['fail', 'warn']),
  }
}

const PLATFORM_AND_FILE = /^([a-z0-9]+\/[a-z0-9_-]+(?:\/[a-z0-9]+)?)=(.+)$/s

/** A file that is there under the whole text is that file, whatever its name looks like. */
function givenRecord(text: string): GivenRecord {
  const match = existsSync(text) ? null : PLATFORM_AND_FILE.exec(text)
  const file = match?.[2] ?? text
  const platform: Platform | null = match === null ? null : parsePlatform(match[1] as string)
  const content = inputFile('record-in', file)
  try {
    return { file, platform, record: readRecord(content) }
  } catch (cause) {
    if (!(cause instanceof CodedError)) throw cause
    throw new PreconditionError(cause.code, `${file}: ${cause.message}`, { cause })
  }
}

function prefetchList(file: string): PrefetchList {
  const list = parsePrefetchList(inputFile('prefetch-list', file))
  if (list.wanted.length > 0) return list
  throw new PreconditionError(
    'PREFETCH_LIST_EMPTY',
    `${file} names no path: nothing would come first; --no-optimize converts without an order`,
  )
}
