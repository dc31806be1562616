import { statSync } from 'node:fs'
import type { Argv } from 'yargs'
import { PreconditionError, UsageError } from '../../shared/errors.ts'
import { parseLocation } from '../image/location.ts'
import type { ReportRequest } from '../report-file.ts'
import { addAnalysisOptions, analysisOptions } from './analysis-options.ts'
import type { Arguments, Command } from './command.ts'
import { LOCATION_FORMS, repeated, single } from './common-options.ts'
import { TITLES } from './titles.ts'
import { outputFile } from './values.ts'

/** One before, one after. */
const IMAGES_MAX = 2
/** What names a file and no image, be it there or not. */
const FILE_NAME = /^\.{0,2}\/|^[^:]+\.jsonl$/

export const reportCommand: Command = {
  ...TITLES.report,
  examples: [
    {
      command: 'optimizer report python.jsonl oci:python:esgz -o report.html',
      describe: 'a run and the image that was made by it, on one page',
    },
    {
      command: 'optimizer report oci:python:before oci:python:after --record-in python.jsonl -o report.html',
      describe: 'two images side by side',
    },
  ],
  builder: (yargs) =>
    addAnalysisOptions(addOwnOptions(yargs)).positional('subject', {
      type: 'string',
      array: true,
      describe: `records (files that exist) and at most two images, before and after: ${LOCATION_FORMS}`,
    }),

  async run(argv, context) {
    const request = reportRequest(argv)
    const { writeReport } = await import('../report-file.ts')
    const result = await writeReport(request, context)
    return argv.json === true ? `${JSON.stringify(result, null, 2)}\n` : `${result.report}\n`
  },
}

function addOwnOptions(yargs: Argv): Argv {
  return yargs.option('output', {
    alias: 'o',
    type: 'string',
    describe: 'the page: one HTML file that needs nothing else',
    defaultDescription: 'report.html',
  })
}

/** A file that is there is a record, everything else an image. @throws {UsageError} @throws {PreconditionError} FILE_UNREADABLE */
export function reportRequest(argv: Arguments): ReportRequest {
  const subjects = repeated(argv, 'subject')
  const files = subjects.filter(isFile)
  const others = subjects.filter((subject) => !isFile(subject))
  const missing = others.find((text) => FILE_NAME.test(text))
  if (missing !== undefined)
    throw new PreconditionError(
      'FILE_UNREADABLE',
      `there is no file ${missing}: <subject> is a record, which optimizer record makes, or an image`,
    )
  const images = others.map((text) => parseLocation('subject', text))
  const analysis = analysisOptions({ ...argv, 'record-in': [...files, ...repeated(argv, 'record-in')] })
  if (images.length === 0 && analysis.records.length === 0)
    throw new UsageError('ARGUMENT_INVALID', '<subject> is missing: name a record, an image, or both')
  if (images.length > IMAGES_MAX)
    throw new UsageError(
      'ARGUMENT_INVALID',
      `<subject> names ${images.length} images: at most two fit on a page`,
    )
  return {
    ...analysis,
    images,
    output: outputFile('output', single(argv, 'output') ?? 'report.html'),
  }
}

function isFile(text: string): boolean {
  return statSync(text, { throwIfNoEntry: false })?.isFile() === true
}
