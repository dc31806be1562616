/** How much garbage the runtime lets lie before it collects. */
import { setFlagsFromString } from 'node:v8'

/**
 * By itself the heap grows to a multiple of what lives in it before old objects are collected. What a conversion keeps
 * is an entry for each file of the image; what it drops is a multiple of that, and lives just long enough to become
 * old. So little growth halves the peak, and costs a collection of some 20 ms for every few megabytes that were
 * dropped, most of it on other threads. V8 reads this setting anew with each collection.
 */
const HEAP_GROWING_PERCENT = 20

/** For this process. */
export function collectEarly(): void {
  setFlagsFromString(`--heap-growing-percent=${HEAP_GROWING_PERCENT}`)
}
