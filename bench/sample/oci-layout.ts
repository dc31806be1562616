/** Writes an OCI image layout: gzip layers of whole folders, config, manifest, index. */
import { spawn } from 'node:child_process'
import { createHash, type Hash, randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import { mkdir, readdir, rename, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGzip } from 'node:zlib'

export interface BuiltLayer {
  descriptor: { mediaType: string; digest: string; size: number }
  diffId: string
}

export interface ImageConfig {
  architecture: string
  created: string
  config: Record<string, unknown>
  history: { created: string; created_by: string }[]
}

const MEDIA_TYPE = 'application/vnd.oci.image'

export class OciLayout {
  readonly #folder: string
  readonly #signal: AbortSignal

  private constructor(folder: string, signal: AbortSignal) {
    this.#folder = folder
    this.#signal = signal
  }

  static async create(folder: string, signal: AbortSignal): Promise<OciLayout> {
    await mkdir(join(folder, 'blobs', 'sha256'), { recursive: true })
    await writeFile(join(folder, 'oci-layout'), JSON.stringify({ imageLayoutVersion: '1.0.0' }))
    return new OciLayout(folder, signal)
  }

  /** A layer of everything in a folder, owned by root, in the order of names. */
  async addLayer(tree: string): Promise<BuiltLayer> {
    const names = (await readdir(tree)).sort()
    // With neither times of access nor tar's process id in its pax headers, a tar depends on the files alone.
    const pax = '--pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime'
    const options = ['--format=pax', pax, '--sort=name']
    const owner = ['--owner=0', '--group=0', '--numeric-owner']
    const tar = spawn('tar', ['-c', ...options, ...owner, '-C', tree, '--', ...names], {
      stdio: ['ignore', 'pipe', 'inherit'],
      signal: this.#signal,
    })
    const ended = once(tar, 'close')
    // At an interruption the pipeline below may be the later one to fail; it is the one that is waited for first.
    ended.catch(() => {})
    const diff = createHash('sha256')
    const blob = createHash('sha256')
    const temporary = join(this.#folder, randomUUID())
    await pipeline(tar.stdout, tee(diff), createGzip({ level: 6 }), tee(blob), createWriteStream(temporary))
    const [status] = await ended
    if (status !== 0) throw new Error(`tar of ${tree} ended with status ${status}`)
    const { size } = await stat(temporary)
    const digest = await this.#place(temporary, blob.digest('hex'))
    const descriptor = { mediaType: `${MEDIA_TYPE}.layer.v1.tar+gzip`, digest, size }
    return { descriptor, diffId: `sha256:${diff.digest('hex')}` }
  }

  /** Ends the layout: the image gets the full name that containerd imports it under. */
  async finish(name: string, layers: BuiltLayer[], image: ImageConfig): Promise<void> {
    const platform = { architecture: image.architecture, os: 'linux' }
    const rootfs = { type: 'layers', diff_ids: layers.map((layer) => layer.diffId) }
    const config = await this.#addDocument('config.v1+json', { ...image, os: 'linux', rootfs })
    const manifest = await this.#addDocument('manifest.v1+json', {
      schemaVersion: 2,
      mediaType: `${MEDIA_TYPE}.manifest.v1+json`,
      config,
      layers: layers.map((layer) => layer.descriptor),
    })
    const annotations = {
      'io.containerd.image.name': name,
      'org.opencontainers.image.ref.name': name.slice(name.lastIndexOf(':') + 1),
    }
    const index = { schemaVersion: 2, manifests: [{ ...manifest, platform, annotations }] }
    await writeFile(join(this.#folder, 'index.json'), JSON.stringify(index))
  }

  async #addDocument(type: string, document: unknown): Promise<BuiltLayer['descriptor']> {
    const bytes = Buffer.from(JSON.stringify(document))
    const temporary = join(this.#folder, randomUUID())
    await writeFile(temporary, bytes)
    const digest = await this.#place(temporary, createHash('sha256').update(bytes).digest('hex'))
    return { mediaType: `${MEDIA_TYPE}.${type}`, digest, size: bytes.length }
  }

  async #place(temporary: string, hex: string): Promise<string> {
    await rename(temporary, join(this.#folder, 'blobs', 'sha256', hex))
    return `sha256:${hex}`
  }
}

/** Feeds a hash with the bytes that pass. */
function tee(hash: Hash): Transform {
  return new Transform({
    transform(bytes: Buffer, _encoding, done) {
      hash.update(bytes)
      done(null, bytes)
    },
  })
}
