/** What about a hot zone is likely to make an image start slower than it could. */
import { countedFiles, formatBytes, printablePath } from '../../shared/text.ts'
import type { AnalysisWarning, FileAnalysis, ImageAnalysis, LayerAnalysis, WarningCode } from './analysis.ts'
import { contentOf } from './sums.ts'

/** A smaller file is soon fetched. */
const LARGE_FILE_BYTES_MIN = 8 * 1024 ** 2
/** Of the content that comes first. */
const LARGE_FILE_SHARE = 1 / 4
/** Whatever its share. */
const HUGE_FILE_BYTES = 256 * 1024 ** 2
/** Of the image's compressed bytes. */
const LARGE_ZONE_SHARE = 1 / 3
/** A smaller hot zone is soon fetched, whatever its share. */
const LARGE_ZONE_BYTES_MIN = 1024 ** 2

export interface WeighedImage extends Pick<ImageAnalysis, 'kind' | 'records' | 'sums' | 'leftOut'> {
  layers: readonly WeighedLayer[]
}

export type WeighedLayer = Pick<LayerAnalysis, 'index' | 'format' | 'tocBytes' | 'files'>

/** In a fixed order. */
export function warningsOf(analysis: WeighedImage): AnalysisWarning[] {
  return [
    ...incompleteRecords(analysis),
    ...largeZone(analysis),
    ...largeFiles(analysis),
    ...openedOnly(analysis),
    ...budgetCut(analysis),
    ...nothingFirst(analysis),
  ]
}

function warning(
  code: WarningCode,
  message: string,
  place: Partial<Pick<AnalysisWarning, 'layerIndex' | 'path'>> = {},
): AnalysisWarning {
  return { code, message, layerIndex: null, path: null, ...place }
}

function incompleteRecords({ records }: WeighedImage): AnalysisWarning[] {
  return records.flatMap(({ file, header }) =>
    header === null || header.complete
      ? []
      : warning(
          'RECORD_INCOMPLETE',
          `${file} is known to miss accesses (${header.incompleteReasons.join('; ')}): record again`,
        ),
  )
}

function largeZone({ sums }: WeighedImage): AnalysisWarning[] {
  const { hotZoneBytes, sizeBytes } = sums
  if (hotZoneBytes < LARGE_ZONE_BYTES_MIN || hotZoneBytes <= sizeBytes * LARGE_ZONE_SHARE) return []
  return [
    warning(
      'LARGE_HOT_ZONE',
      `what comes first is ${percent(hotZoneBytes, sizeBytes)} of the image: a client fetches it before the workload starts; ` +
        'keep the record to the start, or cut it with --prefetch-budget',
    ),
  ]
}

function largeFiles({ layers, sums }: WeighedImage): AnalysisWarning[] {
  const least = Math.min(HUGE_FILE_BYTES, sums.hotContentBytes * LARGE_FILE_SHARE)
  const isLarge = ({ hot, sizeBytes }: FileAnalysis) =>
    hot && sizeBytes >= LARGE_FILE_BYTES_MIN && sizeBytes >= least
  return layers.flatMap(({ index, files }) =>
    files
      .filter(isLarge)
      .map(({ path, sizeBytes }) =>
        warning(
          'LARGE_FILE',
          `${printablePath(path)} is ${formatBytes(sizeBytes)}, ${percent(sizeBytes, sums.hotContentBytes)} of the content that comes first; ` +
            'that it was opened does not tell how much of it was read: if that is little, --exclude it',
          { layerIndex: index, path },
        ),
      ),
  )
}

function openedOnly({ layers }: WeighedImage): AnalysisWarning[] {
  const files = openedOnlyFiles(layers)
  if (files.length === 0) return []
  const bytes = contentOf(files)
  const [come, were] = files.length === 1 ? ['comes', 'was'] : ['come', 'were']
  const what = `${countedFiles(files.length)} of ${formatBytes(bytes)} ${come} first that ${were} opened and not read, or mapped only`
  return [warning('OPENED_NOT_READ', `${what}: --exclude what no start needs`)]
}

/** Files with content that come first, and that a record which tells reads says were opened and nothing else. */
export function openedOnlyFiles(layers: readonly Pick<LayerAnalysis, 'files'>[]): FileAnalysis[] {
  return layers.flatMap(({ files }) =>
    files.filter(({ hot, sizeBytes, access }) => hot && sizeBytes > 0 && access?.evidence === 'opened'),
  )
}

function budgetCut({ leftOut }: WeighedImage): AnalysisWarning[] {
  const cut = leftOut.filter(({ reason }) => reason === 'budget')
  const [first] = cut
  if (first === undefined) return []
  const bytes = cut.reduce((sum, { sizeBytes }) => sum + (sizeBytes ?? 0), 0)
  return [
    warning(
      'BUDGET_CUT',
      `the budget ends before ${printablePath(first.path)} (${formatBytes(first.sizeBytes ?? 0)}): it and all after it, ` +
        `${countedFiles(cut.length)} of ${formatBytes(bytes)}, ${cut.length === 1 ? 'does' : 'do'} not come first; what need not be there leaves room when it is named with --exclude`,
      { layerIndex: first.layerIndex, path: first.path },
    ),
  ]
}

function nothingFirst({ kind, layers, sums }: WeighedImage): AnalysisWarning[] {
  if (kind === 'planned') return []
  const withoutToc = layers.filter(({ tocBytes }) => tocBytes === null)
  if (withoutToc.length === layers.length)
    return [
      warning(
        'NOT_OPTIMIZED',
        'no layer has a table of contents: clients pull all of the image; optimizer optimize and convert make one that is pulled lazily',
      ),
    ]
  const some = withoutToc.map(({ index, format }) =>
    warning('NOT_OPTIMIZED', `layer ${index} has no table of contents (${format}): clients pull all of it`, {
      layerIndex: index,
    }),
  )
  if (sums.hotFiles > 0) return some
  const isForContainers = layers.some(({ format }) => format === 'zstdchunked-containers')
  const why = isForContainers
    ? 'this dialect has no landmark: its clients fetch nothing ahead; a record (--record-in) tells what stands first'
    : 'nothing comes first in any layer: clients fetch nothing ahead'
  return [...some, warning('NOT_OPTIMIZED', why)]
}

/** `12 %`, `0.4 %` */
export function percent(part: number, whole: number): string {
  const share = whole === 0 ? 0 : (part / whole) * 100
  if (share > 0 && share < 9.95) return `${share.toFixed(1)} %`
  // What lacks something is not all.
  return share < 100 && share > 99
    ? `${(Math.floor(share * 10) / 10).toFixed(1)} %`
    : `${Math.round(share)} %`
}
