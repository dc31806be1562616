/**
 * The Go library that lazily pulling snapshotters read eStargz with, as a small program of ours: built once per
 * content of its source, kept in the cache folder. test/readers/README.md says what it needs.
 */
import { spawnSync } from 'node:child_process'
import { buildGoProgram, lackOfGo } from '../../bench/go-program.ts'

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
  return process.env.CI ? false : lackOfGo(['github.com/containerd/stargz-snapshotter/estargz'])
}

/** Path of the built checker. */
export function buildGoChecker(): string {
  return buildGoProgram('test/readers/estargz-check/main.go')
}

/** Opens the blob, verifies TOC and chunks, reads every file. @throws with what the library says */
export function checkBlob(program: string, blobPath: string, tocDigest: string): CheckedEntry[] {
  const { status, stdout, stderr } = spawnSync(program, [blobPath, tocDigest], {
    encoding: 'utf8',
    maxBuffer: 1024 ** 3,
  })
  if (status !== 0) throw new Error(stderr.trim())
  return JSON.parse(stdout) as CheckedEntry[]
}
