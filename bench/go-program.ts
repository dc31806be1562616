/** Small Go programs of ours over Debian's packaged libraries: built once per content of their source, then cached. */
import { execFileSync, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, renameSync } from 'node:fs'
import { homedir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))

/** @param before folders where packages are looked for before those of GOPATH */
export function lackOfGo(libraries: string[], before?: string): string | false {
  if (spawnSync('go', ['version']).status !== 0) return 'no go in PATH (bin/setup --test provides it)'
  const missing = libraries.filter(
    (library) => spawnSync('go', ['list', library], { env: environment(before) }).status !== 0,
  )
  if (missing.length === 0) return false
  return `the Go library ${missing.join(', ')} is not in GOPATH (bin/setup --test provides it)`
}

/**
 * Path of the built program, which is named after the folder of its sources.
 * @param sources paths of its files from the root of the repository, all in one folder
 * @param before as above
 */
export function buildGoProgram(sources: readonly string[], before?: string): string {
  const paths = sources.map((source) => join(ROOT, source))
  const hash = createHash('sha256').update(before ?? '')
  for (const path of paths) hash.update(readFileSync(path))
  const name = basename(dirname(paths[0] ?? ROOT))
  const program = join(cacheFolder(), `${name}-${hash.digest('hex').slice(0, 16)}`)
  if (existsSync(program)) return program
  mkdirSync(cacheFolder(), { recursive: true })
  const unfinished = `${program}.${process.pid}`
  execFileSync('go', ['build', '-o', unfinished, ...paths], {
    env: environment(before),
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  renameSync(unfinished, program)
  return program
}

function environment(before: string | undefined): NodeJS.ProcessEnv {
  const folders = [before, process.env.GOPATH].filter((folder) => folder !== undefined)
  return {
    GO111MODULE: 'off',
    GOTOOLCHAIN: 'local',
    GOCACHE: join(cacheFolder(), 'go-build'),
    ...process.env,
    ...(folders.length === 0 ? {} : { GOPATH: folders.join(':') }),
  }
}

function cacheFolder(): string {
  return join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'hotlayer')
}
