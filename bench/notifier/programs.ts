/** The benchmark's C programs: compiled once per content of their sources, then kept. */
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, renameSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { PreconditionError } from '../../shared/errors.ts'

const SOURCES = fileURLToPath(new URL('../../../bench/notifier/', import.meta.url))
const FLAGS = ['-O2', '-Wall', '-Wextra', '-Werror']
/** It runs in roots that hold nothing but it. */
const STATIC = new Set(['workload'])

export type ProgramName = 'workload' | 'enter' | 'client' | 'reader'

/** @returns path of the program @throws {PreconditionError} COMPILER_FAILED */
export function buildProgram(name: ProgramName): string {
  const source = join(SOURCES, `${name}.c`)
  const digest = createHash('sha256')
  for (const path of [source, join(SOURCES, 'paths.h')]) digest.update(readFileSync(path))
  const folder = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'hotlayer')
  const program = join(folder, `notifier-bench-${name}-${digest.digest('hex').slice(0, 16)}`)
  if (existsSync(program)) return program
  mkdirSync(folder, { recursive: true })
  const unfinished = `${program}.${process.pid}`
  const link = STATIC.has(name) ? ['-static'] : []
  try {
    execFileSync('cc', [...FLAGS, ...link, '-o', unfinished, source], {
      stdio: ['ignore', 'ignore', 'inherit'],
    })
  } catch (cause) {
    throw new PreconditionError('COMPILER_FAILED', `cc cannot compile ${source}: run bin/setup`, { cause })
  }
  renameSync(unfinished, program)
  return program
}
