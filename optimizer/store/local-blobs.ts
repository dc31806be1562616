/**
 * Blobs of a containerd on this machine, read as the files that they are: the bytes need not pass through the daemon.
 * containerd never changes a blob; one that is removed while it is read stays whole for who has it open.
 */
import type { FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import type { Containerd } from '../containerd/client.ts'
import type { Digest } from '../image/digest.ts'
import { openRegular } from './blob-file.ts'

export class LocalBlobs {
  readonly #containerd: Containerd
  #folder: Promise<string | undefined> | undefined

  constructor(containerd: Containerd) {
    this.#containerd = containerd
  }

  /**
   * @param sizeBytes as containerd says for the blob: whoever asks has learnt that the namespace has it
   * @returns undefined where there is no such file for us: a content store of another kind, a daemon in another mount
   * namespace, a user without the right
   */
  async open(digest: Digest, sizeBytes: number): Promise<FileHandle | undefined> {
    this.#folder ??= this.#containerd.introspection.contentFolder().catch(() => undefined)
    const folder = await this.#folder
    if (folder === undefined) return undefined
    const [algorithm = '', hex = ''] = digest.split(':')
    const opened = await openRegular(join(folder, 'blobs', algorithm, hex)).catch(() => undefined)
    if (opened === undefined || opened.sizeBytes === sizeBytes) return opened?.file
    await opened.file.close()
    return undefined
  }
}
