/** Layers of the containers dialect whose tar-split data, or what their TOC has beside eStargz', are not those of the tar. */
import { digestOf } from '../../optimizer/image/digest.ts'
import { rebuildZstd, zstdLayerOf, zstdTocOf } from '../helpers/zstd-layer.ts'
import type { Corruption } from './corruption.ts'
import { bytes, entryOf, FILE, layerIn, putNumber, toc } from './zstd-corruption.ts'

/** The tar-split data say something else; with their digest right in the TOC. */
function tarSplit(what: string, change: (lines: string[]) => string[], named: RegExp): Corruption {
  return {
    what,
    seed: (parts) => {
      const text = zstdLayerOf(layerIn(parts).blob).tarSplit as string
      rebuildZstd(layerIn(parts), { tarSplit: `${change(text.trimEnd().split('\n')).join('\n')}\n` })
    },
    shown: (parts) => zstdLayerOf(layerIn(parts).blob).tarSplit,
    codes: ['TAR_SPLIT'],
    named,
  }
}

const changedLine = (is: (line: string) => boolean, change: (line: string) => string) => (lines: string[]) =>
  lines.map((line) => (is(line) ? change(line) : line))
const isFile = (line: string) => line.includes(`"name":"${FILE}"`)

export const TAR_SPLIT_CORRUPTIONS: readonly Corruption[] = [
  tarSplit(
    'a byte of a header in the tar-split data',
    (lines) => {
      const [first = '', ...rest] = lines
      const { payload, ...line } = JSON.parse(first)
      const bytes = Buffer.from(payload, 'base64')
      bytes[1] = (bytes[1] as number) ^ 1
      return [JSON.stringify({ ...line, payload: bytes.toString('base64') }), ...rest]
    },
    /at byte 0 of the tar: the tar-split data hold other bytes than the tar/,
  ),
  tarSplit(
    "a content's checksum in the tar-split data",
    changedLine(isFile, (line) => line.replace(/"payload":"[^"]*"/, '"payload":"AAAAAAAAAAA="')),
    /^app\/data: .*give the checksum 0000000000000000, the content has/,
  ),
  tarSplit(
    'a name in the tar-split data',
    changedLine(isFile, (line) => line.replace(FILE, 'app/date')),
    /^app\/data: .*call it app\/date/,
  ),
  tarSplit(
    'a size in the tar-split data',
    changedLine(isFile, (line) => line.replace('"size":5000', '"size":4999')),
    /^app\/data: .*give it 4999 bytes, the tar has 5000/,
  ),
  tarSplit(
    'the end of the tar-split data left out',
    (lines) => lines.slice(0, -1),
    /the tar-split data end before the tar does/,
  ),
  tarSplit(
    'more tar-split data than the tar has bytes',
    (lines) => [...lines, '{"type":2,"payload":"AAAA","position":99}'],
    /the tar-split data go on behind the end of the tar/,
  ),
  tarSplit(
    'tar-split data that are no JSON',
    () => ['text'],
    /the tar-split data have a line 0 that is no JSON/,
  ),
  {
    what: "the tar-split data's digest in the TOC",
    seed: (parts) => {
      const toc = { ...zstdTocOf(layerIn(parts).blob), tarSplitDigest: digestOf('other') }
      rebuildZstd(layerIn(parts), { json: Buffer.from(JSON.stringify(toc)) })
    },
    shown: (parts) => zstdTocOf(layerIn(parts).blob).tarSplitDigest,
    codes: ['TAR_SPLIT'],
    named: /the tar-split data has sha256:\w+, the TOC says/,
  },
  {
    what: "the tar-split data's digest left out of the TOC",
    seed: (parts) => {
      const { tarSplitDigest: _, ...toc } = zstdTocOf(layerIn(parts).blob)
      rebuildZstd(layerIn(parts), { json: Buffer.from(JSON.stringify(toc)) })
    },
    shown: (parts) => zstdTocOf(layerIn(parts).blob).tarSplitDigest,
    codes: ['TAR_SPLIT'],
    named: /the TOC does not name them/,
  },
  {
    what: 'the tar-split data left out, and promised',
    seed: (parts) => {
      const toc = zstdTocOf(layerIn(parts).blob)
      rebuildZstd(layerIn(parts), { tarSplit: null, json: Buffer.from(JSON.stringify(toc)) })
    },
    shown: (parts) => zstdLayerOf(layerIn(parts).blob).tarSplit === null,
    codes: ['ANNOTATION_WRONG', 'TAR_SPLIT'],
    named: /the TOC names tar-split data that the footer does not/,
  },
  bytes(
    'a footer that says that the tar-split data are longer',
    (blob, numbers) => putNumber(blob, 64 - 48, (numbers[6] ?? 0) + 1),
    ['ANNOTATION_WRONG', 'TAR_SPLIT'],
    /the tar-split data hold \d+ bytes, said are/,
  ),
  toc(
    'an access time that the tar has not',
    (entries) => {
      entryOf(entries, FILE).accesstime = '2024-01-01T00:00:00Z'
    },
    ['TOC_FIELD'],
    /^app\/data: accesstime: the tar has none, the TOC 2024/,
  ),
  toc(
    "the end of a file's frames",
    (entries) => {
      const entry = entryOf(entries, FILE)
      entry.endOffset = (entry.endOffset ?? 0) - 1
    },
    ['CHUNK_OFFSET'],
    /^app\/data: at 0: its end \d+: nothing ends there/,
  ),
]
