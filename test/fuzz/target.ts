import type { MutationContext } from './mutate.ts'
import type { Random } from './random.ts'

/** What a harness says of the code that it feeds. */
export interface FuzzTarget {
  /** Inputs that are right, or nearly. */
  corpus(): Promise<Buffer[]> | Buffer[]
  /** Words of the format. */
  dictionary: string[]
  inputBytesMax: number
  /** Another input, where bytes changed anywhere would hardly ever be understood. */
  change?(random: Random, context: MutationContext): Buffer
  /**
   * Feeds the code, and checks what must hold of its answer.
   * @returns what came of it, in a word: inputs with a new answer are kept and changed further
   * @throws an error that {@link FuzzTarget.isRefusal} knows: the input was refused as it should be
   */
  run(input: Buffer): Promise<string> | string
  isRefusal(error: unknown): boolean
}

/** The message with everything that varies blanked. */
export function kindOf(error: unknown): string {
  const text = error instanceof Error ? `${error.name} ${error.message}` : String(error)
  return text.replace(/["'].*|\d+/gs, '#').slice(0, 60)
}
