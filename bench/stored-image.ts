/** What `ctr` says about images and blobs in a containerd: the bench asks nobody whom it measures. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { CodedError } from '../shared/errors.ts'
import type { PrivateContainerd } from './sample/private-containerd.ts'

interface Manifest {
  manifests?: { digest: string }[]
  layers?: { size: number }[]
}

const execute = promisify(execFile)
const OUTPUT_BYTES_MAX = 64 * 1024 * 1024

/** Sizes of the layer blobs of an image, in bytes, the lowest first; of an index with one child, the child's. */
export async function layerSizes(daemon: PrivateContainerd, name: string): Promise<number[]> {
  const listed = await ctr(daemon, ['image', 'ls', `name==${name}`])
  const digest = /sha256:[0-9a-f]{64}/.exec(listed)?.[0]
  if (digest === undefined) throw new CodedError('IMAGE_MISSING', `containerd has no image ${name}`)
  const root = await readDocument(daemon, digest)
  const [child, ...others] = root.manifests ?? []
  if (others.length > 0) throw new CodedError('IMAGE_AMBIGUOUS', `${name} is an index of several images`)
  const manifest = child === undefined ? root : await readDocument(daemon, child.digest)
  return (manifest.layers ?? []).map(({ size }) => size)
}

async function readDocument(daemon: PrivateContainerd, digest: string): Promise<Manifest> {
  return JSON.parse(await ctr(daemon, ['content', 'get', digest])) as Manifest
}

/** Digests of all blobs. */
export async function listBlobs(daemon: PrivateContainerd): Promise<Set<string>> {
  const digests = await ctr(daemon, ['content', 'ls', '--quiet'])
  return new Set(digests.split('\n').filter((line) => line !== ''))
}

/** Removes an image and waits until what only it held is collected. */
export async function removeImage(daemon: PrivateContainerd, name: string): Promise<void> {
  await ctr(daemon, ['image', 'rm', '--sync', name])
}

async function ctr(daemon: PrivateContainerd, args: string[]): Promise<string> {
  const where = ['--address', daemon.address, '--namespace', daemon.namespace]
  const { stdout } = await execute('ctr', [...where, ...args], { maxBuffer: OUTPUT_BYTES_MAX })
  return stdout
}
