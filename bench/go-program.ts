/** Small Go programs of ours over Debian's packaged libraries: built once per content of their source, then cached. */
import { execFileSync, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, renameSync } from 'node:fs'
import { homedir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))

/** Which of these packages Go cannot find, in one sentence, or false. */
export function lackOfGo(libraries: string[]): string | false {
  if (spawnSync('go', ['version']).status !== 0) return 'no go in PATH (bin/setup --test provides it)'
  const missing = libraries.filter(
    (library) => spawnSync('go', ['list', library], { env: environment() }).status !== 0,
  )
  if (missing.length === 0) return false
  return `the Go library ${missing.join(', ')} is not in GOPATH (bin/setup --test provides it)`
}

/**
 * Path of the built program, which is named after the source's folder.
 * @param source path of its only file from the root of the repository
 */
export function buildGoProgram(source: string): string {
  const path = join(ROOT, source)
  const digest = createHash('sha256').update(readFileSync(path)).digest('hex').slice(0, 16)
  const program = join(cacheFolder(), `${basename(dirname(path))}-${digest}`)
  if (existsSync(program)) return program
  mkdirSync(cacheFolder(), { recursive: true })
  const unfinished = `${program}.${process.pid}`
  execFileSync('go', ['build', '-o', unfinished, path], {
    env: environment(),
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  renameSync(unfinished, program)
  return program
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
  return join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'hotlayer')
}
