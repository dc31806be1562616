/** From where an image is said to be to the stores that hold it. */
import { Containerd } from './containerd/client.ts'
import { type ImageLocation, nameInStore } from './image/location.ts'
import { ContainerdContentStore, ContainerdImageStore } from './store/containerd.ts'
import { OciArchive } from './store/oci-archive.ts'
import { type FileImages, OciLayout } from './store/oci-layout.ts'
import type { ContentStore, ImageStore } from './store/store.ts'

/** Path of containerd's socket, and a namespace in it. */
export interface ContainerdPlace {
  address: string
  namespace: string
}

export interface OpenStores {
  content: ContentStore
  images: ImageStore
  /** What `images` is asked for, or told to hold. */
  name: string
}

/** Opens the stores for reading, and closes them after `body`. */
export async function withSource<T>(
  location: ImageLocation,
  place: ContainerdPlace,
  body: (stores: OpenStores) => Promise<T>,
): Promise<T> {
  if (location.kind !== 'containerd') {
    const { path } = location
    const opened = await (location.kind === 'oci' ? OciLayout : OciArchive).openForReading(path)
    return await usingFiles(opened, location, body)
  }
  const containerd = await Containerd.connect(place.address, place.namespace)
  try {
    return await body(containerdStores(containerd, location, 'read'))
  } finally {
    containerd.close()
  }
}

/** @param runId what ingests' refs begin with; nothing is written where none is known to belong to a run */
export function containerdStores(containerd: Containerd, location: ImageLocation, runId: string): OpenStores {
  return {
    content: new ContainerdContentStore(containerd, runId),
    images: new ContainerdImageStore(containerd),
    name: nameInStore(location),
  }
}

/** Closes the files after `body`; what was written for an image that was never put goes then. */
export async function usingFiles<T>(
  opened: FileImages,
  location: ImageLocation,
  body: (stores: OpenStores) => Promise<T>,
): Promise<T> {
  try {
    return await body({ content: opened.content, images: opened.images, name: nameInStore(location) })
  } finally {
    await opened.close()
  }
}
