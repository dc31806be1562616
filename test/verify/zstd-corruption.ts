/** What corruptions of zstd:chunked layers are made of. */
import type { TocEntry } from '../../optimizer/estargz/toc.ts'
import { digestOf } from '../../optimizer/image/digest.ts'
import type { DifferenceCode } from '../../optimizer/verify/difference.ts'
import type { ImageParts, LayerParts } from '../helpers/converted-image.ts'
import { decompressed } from '../helpers/tar-layer.ts'
import { footerOf, rebuildZstd, zstdTocOf } from '../helpers/zstd-layer.ts'
import { type Corruption, layerOf, sha256sum } from './corruption.ts'

/** Of the sample: a layer that can be pulled in parts, with a file of 5000 bytes in two chunks. */
const LAYER = 1
export const FILE = 'app/data'
export type Entries = (TocEntry & { accesstime?: string })[]

export const layerIn = (parts: ImageParts): LayerParts => layerOf(parts, LAYER)

export function entryOf(entries: Entries, name: string, type?: string): Entries[0] {
  const found = entries.find((entry) => entry.name === name && (type ?? entry.type) === entry.type)
  if (found === undefined) throw new Error(`the TOC has no ${name}`)
  return found
}

/** The TOC says something else, and all that is said of it is right. */
export function toc(
  what: string,
  change: (entries: Entries) => void,
  codes: readonly DifferenceCode[],
  named: RegExp,
): Corruption {
  return {
    what,
    seed: (parts) => {
      const toc = zstdTocOf(layerIn(parts).blob)
      change(toc.entries)
      rebuildZstd(layerIn(parts), { json: Buffer.from(JSON.stringify(toc)) })
    },
    shown: (parts) => zstdTocOf(layerIn(parts).blob),
    codes,
    named,
  }
}

/** The blob's bytes are others, and so is its digest; the annotations stay. */
export function bytes(
  what: string,
  change: (blob: Buffer, numbers: number[]) => void,
  codes: readonly DifferenceCode[],
  named: RegExp,
): Corruption {
  return {
    what,
    seed: (parts) => {
      const layer = layerIn(parts)
      const { numbers } = footerOf(layer.blob)
      layer.diffId = digestOf(decompressed(layer.blob))
      layer.blob = Buffer.from(layer.blob)
      change(layer.blob, numbers)
    },
    shown: (parts) => sha256sum(layerIn(parts).blob),
    codes,
    named,
  }
}

export const putNumber = (blob: Buffer, fromEnd: number, value: number) =>
  blob.writeBigUInt64LE(BigInt(value), blob.length - fromEnd)
