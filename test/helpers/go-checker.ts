/**
 * The Go library that lazily pulling snapshotters read eStargz with, as a small program of ours: built once per
 * content of its source, kept in the cache folder. test/readers/README.md says what it needs.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, renameSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const SOURCE = fileURLToPath(new URL('../../../test/readers/estargz-check/main.go', import.meta.url))

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
  if (process.env.CI) return false
  if (spawnSync('go', ['version']).status !== 0) return 'no go in PATH (bin/setup --test provides it)'
  const library = ['list', 'github.com/containerd/stargz-snapshotter/estargz']
  if (spawnSync('go', library, { env: environment() }).status !== 0) {
    return 'the Go library estargz is not in GOPATH (bin/setup --test provides it)'
  }
  return false
}

/** Path of the built checker. */
export function buildGoChecker(): string {
  const digest = createHash('sha256').update(readFileSync(SOURCE)).digest('hex').slice(0, 16)
  const program = join(cacheFolder(), `estargz-check-${digest}`)
  if (existsSync(program)) return program
  mkdirSync(cacheFolder(), { recursive: true })
  const unfinished = `${program}.${process.pid}`
  execFileSync('go', ['build', '-o', unfinished, SOURCE], {
    env: environment(),
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  renameSync(unfinished, program)
  return program
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

function environment(): NodeJS.ProcessEnv {
  return {
    GO111MODULE: 'off',
    GOTOOLCHAIN: 'local',
    GOCACHE: join(cacheFolder(), 'go-build'),
    ...process.env,
  }
}

function cacheFolder(): string {
  return join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'hotlayer')
}
