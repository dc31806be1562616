/** Removes from the cache of unpacked layers what killed runs left, and layers that nobody uses. */
import { mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { tryClaim } from '../../native/claim.ts'
import { messageOf } from '../../shared/errors.ts'
import { ownerState, signFolder } from '../store/process-identity.ts'
import {
  isFullDisk,
  LAYER_FILE,
  LAYERS_FOLDER,
  type LayerCache,
  NEW_PREFIX,
  RUNS_FOLDER,
  readFacts,
} from './layer-cache.ts'
import { USED_FILE } from './layer-use.ts'
import { removeFolder } from './remove-folder.ts'

/** Which layers go, of those that no run uses. */
export interface CacheLimits {
  /** The longest unused first, until the others have no more bytes than this. */
  sizeBytesMax?: number
  /** Unused for longer. */
  ageSecondsMax?: number
}

export interface CacheReport {
  /** What was removed, as nouns. */
  removed: string[]
  failures: string[]
  /** Folders of processes that cannot be seen from here: left alone. */
  undecided: string[]
}

/**
 * @param limits null: no layer goes
 * @param isRunKnown whether somebody else removes what is left of that run
 * @throws the signal's reason
 */
export async function cleanCache(
  cache: LayerCache,
  limits: CacheLimits | null,
  isRunKnown: (id: string) => boolean,
  signal: AbortSignal,
): Promise<CacheReport> {
  const report: CacheReport = { removed: [], failures: [], undecided: [] }
  const { folder } = cache
  for (const name of readdirSync(folder).filter((each) => each.startsWith(NEW_PREFIX)))
    removeDead(join(folder, name), report)
  for (const id of readdirSync(join(folder, RUNS_FOLDER)))
    if (!isRunKnown(id)) removeDead(join(folder, RUNS_FOLDER, id), report)
  removeDeadClaims(folder, report)
  removeDeadClaims(join(folder, LAYERS_FOLDER), report)
  if (limits === null) return report
  const release = await cache.claimAll(signal)
  let going: string | null
  try {
    going = takeAway(folder, chosen(folder, limits), report)
  } finally {
    release()
  }
  if (going !== null) attempt(`folder ${going}`, report, () => removeFolder(going) && false)
  return report
}

function chosen(folder: string, { sizeBytesMax, ageSecondsMax }: CacheLimits): string[] {
  const used = new Set(usedLayers(folder))
  const layers = readdirSync(join(folder, LAYERS_FOLDER), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => layerOf(folder, name))
    .sort((one, other) => other.usedAt - one.usedAt)
  const oldest = ageSecondsMax === undefined ? null : Date.now() - ageSecondsMax * 1000
  let keptBytes = 0
  return layers.flatMap(({ name, usedAt, sizeBytes, isWhole }) => {
    const isTooOld = oldest !== null && usedAt < oldest
    const isTooMuch = sizeBytesMax !== undefined && keptBytes + sizeBytes > sizeBytesMax
    const hasLimit = oldest !== null || sizeBytesMax !== undefined
    if ((!isWhole || !hasLimit || isTooOld || isTooMuch) && !used.has(name)) return [name]
    keptBytes += sizeBytes
    return []
  })
}

interface CachedLayer {
  name: string
  usedAt: number
  sizeBytes: number
  /** One that nobody can rely on, as what was deleted in part, goes whatever the limits. */
  isWhole: boolean
}

function layerOf(folder: string, name: string): CachedLayer {
  const path = join(folder, LAYERS_FOLDER, name)
  const facts = readFacts(path)
  if (facts === null) return { name, usedAt: 0, sizeBytes: 0, isWhole: false }
  const usedAt = statSync(join(path, LAYER_FILE)).mtimeMs
  return { name, usedAt, sizeBytes: facts.sizeBytes, isWhole: true }
}

/** By runs that live, or that nobody can see from here. */
function usedLayers(folder: string): string[] {
  return readdirSync(join(folder, RUNS_FOLDER)).flatMap((id) => {
    try {
      return JSON.parse(readFileSync(join(folder, RUNS_FOLDER, id, USED_FILE), 'utf8')) as string[]
    } catch {
      return []
    }
  })
}

/** Out of reach at once; to be deleted when others may use the cache again. */
function takeAway(folder: string, names: readonly string[], report: CacheReport): string | null {
  if (names.length === 0) return null
  const layers = names.map((name) => ({ name, path: join(folder, LAYERS_FOLDER, name) }))
  const going = placeForGoing(folder)
  for (const { name, path } of layers)
    attempt(`layer ${name}`, report, () => {
      if (going !== null) renameSync(path, join(going, name))
      else {
        // It is none any more, whatever of it is still there.
        rmSync(join(path, LAYER_FILE), { force: true })
        removeFolder(path)
      }
      return true
    })
  return going
}

/** null where the disk has no room even for that: what goes is deleted where it is, while others wait. */
function placeForGoing(folder: string): string | null {
  let going: string | null = null
  try {
    going = mkdtempSync(join(folder, NEW_PREFIX))
    signFolder(going)
    return going
  } catch (error) {
    if (!isFullDisk(error)) throw error
    if (going !== null) removeFolder(going)
    return null
  }
}

function removeDead(path: string, report: CacheReport): void {
  const state = ownerState(path)
  if (state === 'unknown') report.undecided.push(path)
  if (state === 'dead') attempt(`folder ${path}`, report, () => removeFolder(path))
}

function removeDeadClaims(folder: string, report: CacheReport): void {
  for (const name of readdirSync(folder).filter((each) => /^(?:claim|[0-9a-f]+\.claim)$/.test(each)))
    attempt(`claim ${name}`, report, () => {
      const release = tryClaim(join(folder, name))
      release?.()
      return release !== null
    })
}

function attempt(what: string, report: CacheReport, step: () => boolean): void {
  try {
    if (step()) report.removed.push(what)
  } catch (error) {
    report.failures.push(`${what}: ${messageOf(error)}`)
  }
}
