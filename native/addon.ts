/** Finds and loads what the C++ in native/src was built to: the addon and the launcher. */
import { accessSync, constants, existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { messageOf, PreconditionError } from '../shared/errors.ts'

/** A native artefact was not built, or does not load. Codes: ADDON_MISSING, ADDON_UNLOADABLE. */
export class AddonError extends PreconditionError {}

const BUILD_COMMAND = 'npm run build:native'

/** The package's folder, both for sources (native/) and emitted files (dist/native/). */
function packageRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url))
  while (!existsSync(join(folder, 'package.json')) && folder !== dirname(folder)) folder = dirname(folder)
  return folder
}

/** Folders that may hold the artefacts, best first: a source build is newer than the prebuild it replaces. */
function artefactFolders(): string[] {
  const root = packageRoot()
  return [join(root, 'native', 'build', 'Release'), join(root, 'prebuilds', `linux-${process.arch}`)]
}

function findArtefact(name: string, mode: number): string {
  const paths = artefactFolders().map((folder) => join(folder, name))
  for (const path of paths) {
    try {
      accessSync(path, mode)
      return path
    } catch {
      // The next path may have it; the error below names them all.
    }
  }
  throw new AddonError(
    'ADDON_MISSING',
    `the native ${name} is neither at ${paths.join(' nor at ')}; build it: ${BUILD_COMMAND}`,
  )
}

let loaded: unknown

/**
 * Loads the addon once per thread.
 * @typeParam Binding the functions that the caller's C++ file exports
 * @throws {AddonError}
 */
export function loadAddon<Binding>(): Binding {
  if (loaded === undefined) {
    const path = findArtefact('addon.node', constants.R_OK)
    try {
      loaded = createRequire(import.meta.url)(path)
    } catch (cause) {
      throw new AddonError(
        'ADDON_UNLOADABLE',
        `the native addon ${path} does not load (${messageOf(cause)}); build it again: ${BUILD_COMMAND}`,
        { cause },
      )
    }
  }
  return loaded as Binding
}

/** Path of the program that starts Node in a mount namespace of its own. @throws {AddonError} */
export function launcherPath(): string {
  return findArtefact('launcher', constants.X_OK)
}
