/** One entry of a layer's tar: byte ranges in the uncompressed stream, and the meaning of its header. */

/**
 * A path's bytes as a string with one character per byte (latin1): a map key that loses nothing.
 * Clean and root-relative: no leading or trailing slash, no `.`, `..` or empty parts; the root is ''.
 */
export type PathKey = string

export type EntryType = 'reg' | 'dir' | 'symlink' | 'hardlink' | 'char' | 'block' | 'fifo'

export interface TarEntry {
  /** Position among the layer's entries, from 0. */
  index: number
  type: EntryType
  /** Clean name. */
  path: PathKey
  /** Name as the tar has it, extension records applied; a TOC shows this one. */
  name: Buffer
  /** Target: clean path of a hard link as a key in `linkPath`; raw bytes of both kinds of link here. */
  linkName: Buffer
  /** Clean root-relative target of a hard link; '' for every other type. */
  linkPath: PathKey
  /** All header blocks, extension records (pax, GNU long names) included: copied, never re-encoded. */
  headerOffset: number
  headerBytes: number
  /** Content in the uncompressed stream, without padding; 0 bytes for everything but `reg`. */
  payloadOffset: number
  payloadBytes: number
  /** Logical size: differs from `payloadBytes` for a sparse entry only. */
  sizeBytes: number
  /** Present when the stored payload must be expanded: data runs of a sparse file, in order. */
  sparse?: { offset: number; bytes: number }[]
  /** Present when the header cannot be copied as it lies there: the blocks to write instead. @see docs/formats.md */
  replacementHeader?: Buffer
  /** Permission and set-id bits as in the tar. */
  mode: number
  uid: number
  gid: number
  userName: Buffer
  groupName: Buffer
  /** Nanoseconds since the epoch. */
  mtimeNanoseconds: bigint
  devMajor: number
  devMinor: number
  /** Extended attributes (pax SCHILY.xattr.*), values as bytes, in the tar's order. */
  xattrs: { name: string; value: Buffer }[]
}

/** What was seen besides plain entries; reported, never silently changed. */
export interface TarNotes {
  /** Earlier entries of a name that came again: left out (readers index by name, the last wins). */
  duplicateNames: number
  /** Entries that became regular files. */
  sparseEntries: number
  /** Files of the type for contiguous ones: regular ones, and now of that type. */
  contiguousEntries: number
  /** Global pax headers: left out, because no container runtime applies them. */
  globalHeaders: number
  /** Landmarks and TOC of an already optimized layer: left out. */
  formatEntries: number
  /** Entries of a type no layer should have: left out. */
  unknownTypes: number
}
