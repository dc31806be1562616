/** `optimizer replay`: an optimized image run again, and what its hot zone was good for. */
import { PreconditionError } from '../shared/errors.ts'
import { type ExplainSources, explainImage } from './explain-image.ts'
import { withSource } from './open-stores.ts'
import { asRead } from './order/record-file.ts'
import type { AnalysisWarning, ImageAnalysis } from './plan/analysis.ts'
import { type Replay, replayOf } from './plan/replay.ts'
import { type RecordOnlyContext, type RecordRequest, type RecordResult, recordOnly } from './record-only.ts'
import { resolveImage } from './store/resolve.ts'
import { tocFinder } from './toc-images.ts'

export const REPLAY_SCHEMA_VERSION = 1

export interface ReplayRequest {
  recording: RecordRequest
  /** Name of the image that holds the layers' TOCs; null for the usual one. */
  tocReference: string | null
}

/** What `optimizer replay --json` prints. Fields are only added; a change of meaning raises the version. */
export interface ReplayResult {
  schemaVersion: typeof REPLAY_SCHEMA_VERSION
  source: RecordResult['source']
  record: RecordResult['record']
  recordOut: string | null
  replay: Replay
  warnings: AnalysisWarning[]
  stages: RecordResult['stages']
}

/**
 * @throws {PreconditionError} NOT_OPTIMIZED, before anything runs
 * @throws as {@link recordOnly}
 */
export async function replay(request: ReplayRequest, context: RecordOnlyContext): Promise<ReplayResult> {
  requireOptimized(await analysed(request, [], context))
  const { record, result } = await recordOnly(request.recording, context)
  const given = { file: 'the record of this run', platform: null, record: asRead(record) }
  const analysis = await analysed(request, [given], context)
  return {
    schemaVersion: REPLAY_SCHEMA_VERSION,
    source: result.source,
    record: result.record,
    recordOut: result.recordOut,
    replay: replayOf(analysis),
    warnings: analysis.warnings,
    stages: result.stages,
  }
}

async function analysed(
  { recording, tocReference }: ReplayRequest,
  records: ExplainSources['records'],
  { console: log, signal }: RecordOnlyContext,
): Promise<ImageAnalysis> {
  const { containerd, platform, source } = recording
  return await withSource(source, { ...containerd, signal, log }, async (stores) => {
    const { content, images, name } = stores
    const image = await resolveImage(images, content, name, platform)
    const findTocs = tocFinder(stores, source, image, tocReference)
    return await explainImage(content, image, findTocs, { records, recordAnyLayer: false })
  })
}

function requireOptimized({ name, sums, warnings }: ImageAnalysis): void {
  if (sums.hotFiles > 0) return
  const why = warnings.find(({ code }) => code === 'NOT_OPTIMIZED')?.message ?? 'nothing comes first'
  throw new PreconditionError(
    'NOT_OPTIMIZED',
    `nothing of ${name} comes first, so a run has nothing to be held against (${why})`,
  )
}
