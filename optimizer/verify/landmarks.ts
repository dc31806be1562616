/** Landmarks and the TOC's own entry: what a format adds to a tar, and where. */
import type { LayerToc } from '../estargz/reader.ts'
import { digestOf } from '../image/digest.ts'
import { NO_PREFETCH_LANDMARK, PREFETCH_LANDMARK, TOC_NAME } from '../tar/format-names.ts'
import type { Findings } from './difference.ts'
import { FORMAT_RULES } from './lazy-format.ts'
import type { Scan } from './scan.ts'

const LANDMARK_DIGEST = digestOf(Buffer.of(0x0f))

/** @param isWanted the layer must have a landmark, whatever was read first */
export function checkLandmarks(scan: Scan, isWanted: boolean, findings: Findings): void {
  const isLandmark = (path: string) => path === PREFETCH_LANDMARK || path === NO_PREFETCH_LANDMARK
  const landmarks = scan.entries.filter(({ path }) => isLandmark(path))
  const [landmark, second] = landmarks
  if (landmark === undefined) {
    if (isWanted) findings.add('LANDMARK_MISSING', null, 'a client does not know what to fetch ahead')
    return
  }
  const { path } = landmark
  if (second !== undefined) findings.add('LANDMARK_PLACE', second.path, `beside ${path}: a layer has one`)
  const before = scan.entries.indexOf(landmark)
  if (path === PREFETCH_LANDMARK && before === 0)
    findings.add('LANDMARK_PLACE', path, 'nothing lies before it')
  if (path === NO_PREFETCH_LANDMARK && before > 0) {
    findings.add('LANDMARK_PLACE', path, `${before} entries lie before it, which clients do not fetch ahead`)
  }
  if (landmark.type !== 'reg' || scan.contents.of(landmark)?.digest !== LANDMARK_DIGEST)
    findings.add('LANDMARK_CONTENT', path, `a ${landmark.type} of ${landmark.sizeBytes} bytes`)
}

/**
 * The TOC is the last entry of the tar, once, and the bytes that the footer leads to; or it is not in the tar: beside
 * it, or in another image.
 */
export function checkTocPlace(found: LayerToc, scan: Scan, findings: Findings): void {
  const tocs = scan.entries.filter(({ path }) => path === TOC_NAME)
  const { tocOffset } = found
  if (tocOffset === null || !FORMAT_RULES[found.format].tocInTar) {
    const where = tocOffset === null ? 'another image' : 'a frame of its own'
    if (tocs.length > 0)
      findings.add('TOC_PLACE', TOC_NAME, `an entry of the tar, but the TOC is in ${where}`)
    return
  }
  const last = scan.entries.at(-1)
  if (tocs.length !== 1 || last !== tocs[0])
    findings.add(
      'TOC_PLACE',
      TOC_NAME,
      `${tocs.length} entries of this name, the last entry is ${last?.path}`,
    )
  else if (scan.contents.of(last as NonNullable<typeof last>)?.digest !== found.tocDigest)
    findings.add('TOC_PLACE', TOC_NAME, 'the footer leads to other bytes than those of this entry')
  else if (scan.starts.get(tocOffset) !== last?.headerOffset)
    findings.add('TOC_PLACE', TOC_NAME, 'the footer does not lead to the header of this entry')
}
