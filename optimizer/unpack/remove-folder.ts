import { rmSync } from 'node:fs'

/** With everything in it. @returns false when there was none */
export function removeFolder(folder: string): boolean {
  try {
    rmSync(folder, { recursive: true })
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false
    throw error
  }
}
