import { execFileSync } from 'node:child_process'
import type { DifferenceCode } from '../../optimizer/verify/difference.ts'
import { gnuTar, type ImageParts, type LayerParts } from '../helpers/converted-image.ts'
import type { TarItem } from '../helpers/tar-language.ts'

/** Another source's layers converted instead. */
export type Convert = (layers: readonly (readonly TarItem[])[]) => Promise<ImageParts>

/** One thing wrong with a converted image. */
export interface Corruption {
  what: string
  /** Makes it wrong, everything else consistent with it; or another image instead. */
  seed(parts: ImageParts, convert: Convert): Promise<ImageParts> | ImageParts | undefined
  /** By a program that is not ours, or the bytes themselves: another value than that of a sound image. */
  shown(parts: ImageParts): unknown
  /** Exactly these are found. */
  codes: readonly DifferenceCode[]
  /** What a line of the findings says, path first. */
  named: RegExp
}

export const layerOf = (parts: ImageParts, index: number): LayerParts => parts.layers[index] as LayerParts

/** Every entry with all that GNU tar shows of it, sorted: order is no difference. */
export function listing(parts: ImageParts, index: number): string[] {
  const args = [
    '-tvv',
    '--numeric-owner',
    '--full-time',
    '--xattrs',
    '--xattrs-include=*',
    '--quoting-style=escape',
  ]
  return gnuTar(layerOf(parts, index).blob, args)
    .split('\n')
    .filter((line) => !/stargz\.index\.json|\.prefetch\.landmark/.test(line))
    .sort()
}

/** Names in the order of the archive. */
export function names(parts: ImageParts, index: number): string[] {
  return gnuTar(layerOf(parts, index).blob, ['-t', '--quoting-style=escape']).trimEnd().split('\n')
}

export function contentByTar(parts: ImageParts, index: number, path: string): string {
  return gnuTar(layerOf(parts, index).blob, ['-xO', path])
}

/** Whether sha256sum agrees with what the descriptor says. */
export function sha256sum(bytes: Buffer): string {
  return execFileSync('sha256sum', { input: bytes, encoding: 'utf8' }).split(' ')[0] as string
}
