/**
 * Blobs of a containerd on this machine, read and written as the files that they are: the bytes need not pass through
 * the daemon. containerd never changes a blob; one that is removed while it is read stays whole for who has it open.
 */
import { constants } from 'node:fs'
import { type FileHandle, open, readdir, readFile } from 'node:fs/promises'
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
    const folder = await this.#contentFolder()
    if (folder === undefined) return undefined
    const [algorithm = '', hex = ''] = digest.split(':')
    const opened = await openRegular(join(folder, 'blobs', algorithm, hex)).catch(() => undefined)
    if (opened === undefined || opened.sizeBytes === sizeBytes) return opened?.file
    await opened.file.close()
    return undefined
  }
  /**
   * The file of an ingest that was left empty.
   * @param ref nobody else's, in whatever namespace
   * @returns undefined where there is none for us, as with blobs
   * @see containerd, plugins/content/local: ingest/<hash of its name>/ref holds the name, which ends with the ref
   */
  async openIngest(ref: string): Promise<FileHandle | undefined> {
    const folder = await this.#contentFolder()
    if (folder === undefined) return undefined
    const ingests = join(folder, 'ingest')
    for (const name of await readdir(ingests).catch(() => [])) {
      const stored = await readFile(join(ingests, name, 'ref'), 'utf8').catch(() => '')
      if (stored.endsWith(`/${ref}`))
        return await openEmpty(join(ingests, name, 'data')).catch(() => undefined)
    }
    return undefined
  }

  async #contentFolder(): Promise<string | undefined> {
    this.#folder ??= this.#containerd.introspection.contentFolder().catch(() => undefined)
    return await this.#folder
  }
}

async function openEmpty(path: string): Promise<FileHandle | undefined> {
  const file = await open(path, constants.O_WRONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  const stat = await file.stat()
  if (stat.isFile() && stat.size === 0) return file
  await file.close()
  return undefined
}
