/** What overlayfs itself notes about a file in an upper directory. */
import { loadAddon } from './addon.ts'
import { orNativeError } from './system-error.ts'

interface OverlayBinding {
  copyUpOrigin(path: Buffer, lowerFolders: readonly string[]): CopyUpOrigin | undefined
}

/** Where a copied-up file came from; without an inode where the lower file system cannot tell. */
export interface CopyUpOrigin {
  /** Its data was not read (the mount option metacopy). */
  metadataOnly?: true
  device?: bigint
  inode?: bigint
  /** As the kernel names it now, which need not be a path that leads anywhere. */
  path?: Buffer
}

/**
 * @param path of a file in the upper directory of an overlay
 * @param lowerFolders of the same overlay
 * @returns undefined for what was made in the upper directory, and for a copied-up file of several hard links
 * @throws {NativeError} ORIGIN_UNREADABLE
 */
export function copyUpOrigin(path: Buffer, lowerFolders: readonly string[]): CopyUpOrigin | undefined {
  return orNativeError(
    'ORIGIN_UNREADABLE',
    `cannot read where ${path} was copied up from`,
    'that needs root (CAP_SYS_ADMIN and CAP_DAC_READ_SEARCH)',
    () => loadAddon<OverlayBinding>().copyUpOrigin(path, lowerFolders),
  )
}
