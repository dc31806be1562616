/** From where an image is said to be to the stores that hold it. */

import { tmpdir } from 'node:os'
import type { Log } from '../shared/log.ts'
import { Containerd } from './containerd/client.ts'
import { formatLocation, type ImageLocation, nameInStore, type RegistryLocation } from './image/location.ts'
import type { RegistryAccess } from './registry/access.ts'
import { type RegistrySettings, usualSettings } from './registry/settings.ts'
import { ContainerdContentStore, ContainerdImageStore } from './store/containerd.ts'
import { DockerArchive } from './store/docker-archive.ts'
import { OciArchive } from './store/oci-archive.ts'
import { type FileImages, OciLayout } from './store/oci-layout.ts'
import type { ContentStore, ImageStore } from './store/store.ts'
import { packageVersion } from './version.ts'
import { type ContainerdRun, type Run, withContainerdRun, withRun } from './workload/run.ts'

/** Path of containerd's socket, and a namespace in it. */
export interface ContainerdPlace {
  address: string
  namespace: string
  /** Read blobs from its files where these are on this machine. */
  directContent: boolean
  /** How registries are reached; the usual ways where it is absent. */
  registry?: RegistrySettings
  /** Ends what is under way with a registry. */
  signal?: AbortSignal
  /** Told of mirrors that are passed over, and of long waits. */
  log?: Log
}

export interface OpenStores {
  content: ContentStore
  images: ImageStore
  /** What `images` is asked for, or told to hold. */
  name: string
  /** As a person writes it. */
  label: string
  /** Where that is not known beforehand: whether anything can be written. @throws {CodedError} it cannot */
  requireWritable?(): Promise<void>
}

const READERS = {
  oci: (path: string): Promise<FileImages> => OciLayout.openForReading(path),
  'oci-archive': (path: string): Promise<FileImages> => OciArchive.openForReading(path),
  'docker-archive': (path: string): Promise<FileImages> => DockerArchive.openForReading(path),
}

/** Opens the stores for reading, and closes them after `body`. */
export async function withSource<T>(
  location: ImageLocation,
  place: ContainerdPlace,
  body: (stores: OpenStores) => Promise<T>,
): Promise<T> {
  if (location.kind === 'docker') return await usingRegistry(location, place, 'read', body)
  if (location.kind !== 'containerd') {
    const { path } = location
    const opened = await READERS[location.kind](path)
    return await usingFiles(opened, location, body)
  }
  const containerd = await Containerd.connect(place.address, place.namespace, place)
  try {
    // Nothing is written: no ingest ever bears this name.
    return await body(containerdStores(containerd, location, 'read'))
  } finally {
    containerd.close()
  }
}

/** @param runId what ingests' refs begin with */
function containerdStores(containerd: Containerd, location: ImageLocation, runId: string): OpenStores {
  return {
    content: new ContainerdContentStore(containerd, runId),
    images: new ContainerdImageStore(containerd),
    name: nameInStore(location),
    label: formatLocation(location),
  }
}

/** A source in the run's containerd; with the target's very store where that is in it too: nothing is copied then. */
function sourceBeside(to: OpenStores, run: ContainerdRun, location: ImageLocation): OpenStores {
  const own = containerdStores(run.containerd, location, run.id)
  return to.content instanceof ContainerdContentStore ? { ...own, content: to.content } : own
}

/** Where a run has to do with containerd: nobody looks for its socket where no use of it is named. */
export interface RunPlace {
  containerd: ContainerdPlace
  /** Where snapshots are made. */
  snapshotter: string
  /** Kinds of stores and of what runs a workload. */
  uses: readonly string[]
}

/** A run; where containerd has a part in it, one with a lease there, under which is whatever it makes. */
export async function withRunAt<T>(
  { containerd: place, snapshotter, uses }: RunPlace,
  log: Log,
  body: (run: Run | ContainerdRun) => Promise<T>,
): Promise<T> {
  const { version } = packageVersion()
  if (!uses.includes('containerd')) return await withRun({ version, log }, body)
  const containerd = await Containerd.connect(place.address, place.namespace, place)
  try {
    return await withContainerdRun({ containerd, version, snapshotter, log }, body)
  } finally {
    containerd.close()
  }
}

/** The source's stores; in containerd within `run`, where that has a part in it. */
export async function withSourceIn<T>(
  run: Run | ContainerdRun,
  location: ImageLocation,
  place: ContainerdPlace,
  body: (stores: OpenStores) => Promise<T>,
): Promise<T> {
  if (location.kind === 'containerd' && 'containerd' in run)
    return await body(containerdStores(run.containerd, location, run.id))
  return await withSource(location, place, body)
}

/** Source and target; what of them is in containerd is so within `run`. */
export async function withBoth<T>(
  {
    source,
    target,
    containerd,
  }: { source: ImageLocation; target: ImageLocation; containerd: ContainerdPlace },
  run: Run | ContainerdRun | null,
  body: (from: OpenStores, to: OpenStores) => Promise<T>,
): Promise<T> {
  const leased = run !== null && 'containerd' in run ? run : null
  return await withTarget(target, leased, containerd, async (to) => {
    const begin = async (from: OpenStores) => {
      // Nobody wants to learn at the end of a run that its result has no place.
      await to.requireWritable?.()
      return await body(from, to)
    }
    return source.kind === 'containerd' && leased !== null
      ? await begin(sourceBeside(to, leased, source))
      : await withSource(source, containerd, begin)
  })
}

/** Opens the target, in containerd within `run`; what was written for an image that was never put goes at the end. */
async function withTarget<T>(
  location: ImageLocation,
  run: ContainerdRun | null,
  place: ContainerdPlace,
  body: (stores: OpenStores) => Promise<T>,
): Promise<T> {
  if (location.kind === 'docker') return await usingRegistry(location, place, 'write', body)
  if (location.kind === 'docker-archive') throw new Error('an archive of docker is written nowhere')
  if (location.kind !== 'containerd') {
    const opened = await (location.kind === 'oci' ? OciLayout : OciArchive).openForWriting(location.path)
    return await usingFiles(opened, location, body)
  }
  if (run === null) throw new Error('a target in containerd needs a run')
  return await body(containerdStores(run.containerd, location, run.id))
}

/** Shared by all that one place is opened for at the same time: connections, tokens. */
const accesses = new Map<RegistrySettings, { access: RegistryAccess; users: number }>()

/** What asks registries is loaded for them alone. */
export async function withRegistryAccess<T>(
  { registry = usualSettings(tmpdir()), signal, log }: Pick<ContainerdPlace, 'registry' | 'signal' | 'log'>,
  body: (access: RegistryAccess) => Promise<T>,
): Promise<T> {
  const { RegistryAccess } = await import('./registry/access.ts')
  const context = { ...(signal === undefined ? {} : { signal }), ...(log === undefined ? {} : { log }) }
  const shared = accesses.get(registry) ?? { access: new RegistryAccess(registry, context), users: 0 }
  accesses.set(registry, shared)
  shared.users++
  try {
    return await body(shared.access)
  } finally {
    if (--shared.users === 0) {
      accesses.delete(registry)
      await shared.access.close()
    }
  }
}

async function usingRegistry<T>(
  location: RegistryLocation,
  place: ContainerdPlace,
  action: 'read' | 'write',
  body: (stores: OpenStores) => Promise<T>,
): Promise<T> {
  return await withRegistryAccess(place, async (access) => {
    const { RegistryImages } = await import('./store/registry.ts')
    const images = new RegistryImages(access, location.reference, action)
    const requireWritable = () => images.requireWritable()
    return await usingFiles(images, location, (stores) => body({ ...stores, requireWritable }))
  })
}

async function usingFiles<T>(
  opened: FileImages,
  location: ImageLocation,
  body: (stores: OpenStores) => Promise<T>,
): Promise<T> {
  const { content, images } = opened
  try {
    return await body({ content, images, name: nameInStore(location), label: formatLocation(location) })
  } finally {
    await opened.close()
  }
}
