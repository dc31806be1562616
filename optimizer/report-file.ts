/** `optimizer report`: from records and images to a page in a file. */
import { writeFileSync } from 'node:fs'
import { messageOf, PreconditionError } from '../shared/errors.ts'
import type { AccessRecord } from '../shared/record.ts'
import { type AnalysisContext, type AnalysisRequest, analyseImage } from './analyse-image.ts'
import type { ImageLocation } from './image/location.ts'
import type { GivenRecord } from './order/record-file.ts'
import type { ImageAnalysis } from './plan/analysis.ts'
import { reportPage } from './report/page.ts'
import { type ReadFile, type RecordedRun, readFilesOf, readFilesOfRecord } from './report/read-files.ts'
import { LINKS } from './simulate/link.ts'
import { simulate } from './simulate/simulate.ts'
import { packageVersion } from './version.ts'

export interface ReportRequest extends Omit<AnalysisRequest, 'location'> {
  /** None, one, or one before and one after. */
  images: readonly ImageLocation[]
  /** Path of the page. */
  output: string
}

export const REPORT_RESULT_SCHEMA_VERSION = 1

/** What `optimizer report --json` prints. Fields are only added; a change of meaning raises the version. */
export interface ReportResult {
  schemaVersion: typeof REPORT_RESULT_SCHEMA_VERSION
  /** Path of the page. */
  report: string
  bytes: number
  images: string[]
  /** Files that were read. */
  files: number
}

/** @throws {PreconditionError} REPORT_NOT_WRITTEN, and whatever is wrong with image or record */
export async function writeReport(request: ReportRequest, context: AnalysisContext): Promise<ReportResult> {
  const analyses: ImageAnalysis[] = []
  for (const location of request.images) analyses.push(await analyseImage({ ...request, location }, context))
  return writePage(request.output, analyses, request.records)
}

/** The page of what is known already. @throws {PreconditionError} REPORT_NOT_WRITTEN */
export function writePage(
  path: string,
  analyses: readonly ImageAnalysis[],
  records: readonly GivenRecord[],
): ReportResult {
  const { name, version } = packageVersion()
  const [given] = records
  const last = analyses.at(-1)
  const files = last === undefined ? filesOfGiven(given) : readFilesOf(last)
  const page = reportPage({
    madeBy: `Made by ${name} ${version}`,
    run: runOf(last, given),
    files,
    images: analyses.map((analysis) => ({ analysis, simulation: simulate(analysis, LINKS) })),
  })
  write(path, page)
  return {
    schemaVersion: REPORT_RESULT_SCHEMA_VERSION,
    report: path,
    bytes: Buffer.byteLength(page),
    images: analyses.map((analysis) => analysis.name),
    files: files.length,
  }
}

function runOf(analysis: ImageAnalysis | undefined, given: GivenRecord | undefined): RecordedRun | null {
  const record = analysis?.records[0]
  if (record !== undefined) return { file: record.file, header: record.header }
  return given === undefined ? null : { file: given.file, header: given.record.header }
}

/** Of a record without an image. @throws {PreconditionError} RECORD_WITHOUT_TIMES */
function filesOfGiven(given: GivenRecord | undefined): ReadFile[] {
  if (given === undefined) return []
  const { header, entries } = given.record
  if (header === null)
    throw new PreconditionError(
      'RECORD_WITHOUT_TIMES',
      `${given.file} tells neither sizes nor times: it has no header; name its image beside it, or record again with optimizer record`,
    )
  const known = entries.flatMap(({ entry }) => (entry === null ? [] : entry))
  return readFilesOfRecord({ header, entries: known } satisfies AccessRecord)
}

function write(path: string, page: string): void {
  try {
    writeFileSync(path, page)
  } catch (cause) {
    throw new PreconditionError(
      'REPORT_NOT_WRITTEN',
      `cannot write the report to ${path}: ${messageOf(cause)}`,
      {
        cause,
      },
    )
  }
}
