import { spawnSync } from 'node:child_process'
import { rmSync } from 'node:fs'
import { systemCodeOf } from '../../shared/errors.ts'

/** With everything in it. @returns false when there was none */
export function removeFolder(folder: string): boolean {
  try {
    rmSync(folder, { recursive: true })
    return true
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT') return false
    if (systemCodeOf(error) !== 'ENAMETOOLONG') throw error
  }
  // Whoever goes down step by step makes folders deeper than any path can name; rm goes down in the same way.
  const { status, stderr, error } = spawnSync('rm', ['-rf', '--', folder], { encoding: 'utf8' })
  if (status === 0) return true
  throw error ?? new Error(stderr.trim())
}
