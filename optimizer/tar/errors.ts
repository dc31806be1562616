import { PreconditionError } from '../../shared/errors.ts'
import type { Digest } from '../image/digest.ts'

/** What of a layer did not hold. */
export type LayerCheck = 'size' | 'digest' | 'gzip' | 'zstd' | 'tar' | 'diff ID'

/** A layer's bytes are not what its image promises. Code: LAYER_CORRUPT. */
export class LayerCorruptError extends PreconditionError {
  readonly check: LayerCheck

  constructor(layer: Digest, check: LayerCheck, what: string, options: { cause?: unknown } = {}) {
    super(
      'LAYER_CORRUPT',
      `layer ${layer} is corrupt, its ${check} does not hold: ${what}; fetch the image again`,
      options,
    )
    this.check = check
  }
}

/** A sound layer that this program refuses to handle. Code: LAYER_UNSUPPORTED. */
export class LayerUnsupportedError extends PreconditionError {
  constructor(layer: Digest, what: string, options: { cause?: unknown } = {}) {
    super('LAYER_UNSUPPORTED', `layer ${layer} cannot be converted: ${what}`, options)
  }
}

/** The bytes are no tar archive; knows no layer yet. */
export class TarFormatError extends Error {
  constructor(offset: number, what: string) {
    super(`at byte ${offset} of the tar: ${what}`)
    this.name = 'TarFormatError'
  }
}

/** A tar archive beyond what any real layer needs; knows no layer yet. */
export class TarLimitError extends Error {
  constructor(what: string) {
    super(what)
    this.name = 'TarLimitError'
  }
}
