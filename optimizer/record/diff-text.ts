/** The difference of two records as a few lines for a person. */
import { CodedError, EXIT } from '../../shared/errors.ts'
import { countedFiles, printableName, printablePath } from '../../shared/text.ts'
import type { DiffedFile, RecordsDiff } from './diff-records.ts'

/** Files that are named; `--json` has all. */
const NAMED_MAX = 20

export function formatRecordsDiff(diff: RecordsDiff, first: string, second: string): string {
  const { sameImage, onlyFirst, onlySecond, both, order } = diff
  return [
    ...(sameImage ? [] : ['they are of different images: files are compared by path alone']),
    `in both: ${countedFiles(both)}${order.same ? ', in the same order' : `, ${share(order.agreement)} of their pairs in the same order`}`,
    ...(order.firstDifference === null
      ? []
      : [
          `  file ${order.firstDifference.position + 1} of them: ${printablePath(order.firstDifference.first)} and ${printablePath(order.firstDifference.second)}`,
        ]),
    ...onlyLines(first, onlyFirst),
    ...onlyLines(second, onlySecond),
    '',
  ].join('\n')
}

function share(agreement: number): string {
  return `${(Math.floor(agreement * 1000) / 10).toFixed(1)} %`
}

function onlyLines(name: string, files: readonly DiffedFile[]): string[] {
  if (files.length === 0) return []
  const rest = files.length - NAMED_MAX
  return [
    `only in ${printableName(name)}: ${countedFiles(files.length)}`,
    ...files.slice(0, NAMED_MAX).map(({ path }) => `  ${printablePath(path)}`),
    ...(rest > 0 ? [`  and ${rest} more`] : []),
  ]
}

export function recordsDifferError(
  { onlyFirst, onlySecond, order }: RecordsDiff,
  first: string,
  second: string,
  ignoreOrder: boolean,
): CodedError {
  const parts = [
    ...(onlyFirst.length > 0 ? [`${countedFiles(onlyFirst.length)} in ${first} alone`] : []),
    ...(onlySecond.length > 0 ? [`${countedFiles(onlySecond.length)} in ${second} alone`] : []),
    ...(order.same || ignoreOrder ? [] : ['the order is another one']),
  ]
  return new CodedError('RECORDS_DIFFER', `the records differ: ${parts.join(', ')}`, {
    exitCode: EXIT.verification,
  })
}
