import type { Digest } from '../image/digest.ts'

/** Merged labels; an empty value removes one. */
export function mergeLabels(
  old: Record<string, string>,
  changes: Record<string, string>,
): Record<string, string> {
  return Object.fromEntries(Object.entries({ ...old, ...changes }).filter(([, value]) => value !== ''))
}

/** Labels of blobs in a store whose format has none: as long as the store is open. */
export class BlobLabels {
  readonly #labels = new Map<Digest, Record<string, string>>()

  get(digest: Digest): Record<string, string> {
    return { ...this.#labels.get(digest) }
  }

  merge(digest: Digest, changes: Record<string, string>): void {
    this.#labels.set(digest, mergeLabels(this.get(digest), changes))
  }
}
