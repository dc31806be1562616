/**
 * The Go library that lazily pulling snapshotters read eStargz with, as a small program of ours: built once per
 * content of its source, kept in the cache folder. test/readers/README.md says what it needs.
 */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { buildGoProgram, lackOfGo } from '../../bench/go-program.ts'

const FOLDER = 'test/readers/estargz-check'
const LIBRARY = 'github.com/containerd/stargz-snapshotter/estargz'
const LATER = process.env.LATER_GOPATH

/** A name in a blob, as the library sees it. */
export interface CheckedEntry {
  name: string
  type: string
  size: number
  mode: number
  uid: number
  gid: number
  linkName: string
  /** Seconds since the epoch; 0 where the TOC has none. */
  modtime: number
  devMajor: number
  devMinor: number
  /** Values in base64. */
  xattrs: Record<string, string> | null
  /** Of a regular file's content, as read. */
  digest: string
  chunks: number
  offset: number
}

/** Why the checker cannot be built here, or false; with CI set always false: there it must be. */
export function skipWithoutGo(): string | false {
  return process.env.CI ? false : lackOfGo([LIBRARY])
}

/** Path of the built checker. */
export function buildGoChecker(): string {
  return buildGoProgram([`${FOLDER}/main.go`, `${FOLDER}/inside.go`])
}

/** The same for the library of a later Debian, which knows members that files share and TOCs elsewhere. */
export function skipWithoutLaterGo(): string | false {
  if (process.env.CI) return false
  if (LATER === undefined || !LATER.split(':').some((folder) => existsSync(folder)))
    return 'no later Go library in LATER_GOPATH (bin/setup --test provides it)'
  return lackOfGo([`${LIBRARY}/externaltoc`], LATER)
}

export function buildLaterGoChecker(): string {
  return buildGoProgram([`${FOLDER}/main.go`, `${FOLDER}/external.go`], LATER)
}

/**
 * Opens the blob, verifies TOC and chunks, reads every file.
 * @param tocPath where the TOC is when it is not in the blob
 * @throws with what the library says
 */
export function checkBlob(
  program: string,
  blobPath: string,
  tocDigest: string,
  tocPath?: string,
): CheckedEntry[] {
  const args = [blobPath, tocDigest, ...(tocPath === undefined ? [] : [tocPath])]
  const { status, stdout, stderr } = spawnSync(program, args, {
    encoding: 'utf8',
    maxBuffer: 1024 ** 3,
  })
  if (status !== 0) throw new Error(stderr.trim())
  return JSON.parse(stdout) as CheckedEntry[]
}
