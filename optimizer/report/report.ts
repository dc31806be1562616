/** What the page is made of: plain data. */
import type { ImageAnalysis } from '../plan/analysis.ts'
import type { Simulation } from '../simulate/simulate.ts'
import type { ReadFile, RecordedRun } from './read-files.ts'

export interface Report {
  /** Who made the page, and when. */
  madeBy: string
  /** null where no record was given. */
  run: RecordedRun | null
  /** In order of first access; of the last image where there are two. */
  files: readonly ReadFile[]
  /** None, one, or one before and one after. */
  images: readonly ReportedImage[]
}

export interface ReportedImage {
  analysis: ImageAnalysis
  /** undefined where no record tells when what was read. */
  simulation: Simulation | undefined
}
