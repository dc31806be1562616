/**
 * containerd's labels of a target: every document keeps alive what it names and nothing of another image.
 *
 * @see containerd, docs/garbage-collection.md
 */
import { createHash } from 'node:crypto'
import { UNCOMPRESSED_LABEL } from '../convert/layer.ts'
import type { Descriptor } from '../image/descriptor.ts'
import type { Digest } from '../image/digest.ts'
import { infoOf } from '../store/read-blob.ts'
import type { ContentStore } from '../store/store.ts'
import type { Findings } from './difference.ts'
import type { LoadedImage, PlatformImage } from './load-image.ts'

const CONTENT_PREFIX = 'containerd.io/gc.ref.content'
const SNAPSHOT_PREFIX = 'containerd.io/gc.ref.snapshot.'

export async function checkIndexLabels(
  content: ContentStore,
  { root, index }: LoadedImage,
  findings: Findings,
): Promise<void> {
  if (index === null) return
  // Children of other platforms may be absent, and then are kept by nobody.
  const there = await present(content, index.manifests)
  await checkReferences(content, root.digest, there, index.manifests, findings)
}

export async function checkLabels(
  content: ContentStore,
  { descriptor, manifest, config }: PlatformImage,
  findings: Findings,
): Promise<void> {
  const named = [manifest.config, ...manifest.layers]
  await checkReferences(content, descriptor.digest, named, named, findings)
  const chain = chainId(config.rootfs.diff_ids)
  for (const [key, value] of await labelsOf(content, manifest.config.digest)) {
    const isStray = key.startsWith(SNAPSHOT_PREFIX) ? value !== chain : key.startsWith(CONTENT_PREFIX)
    if (isStray) findings.add('GC_LABEL_STRAY', null, `config ${manifest.config.digest}: ${key}=${value}`)
  }
  for (const [index, { digest }] of manifest.layers.entries()) {
    for (const [key, value] of await labelsOf(content, digest)) {
      if (key === UNCOMPRESSED_LABEL && value !== config.rootfs.diff_ids[index])
        findings.add('LABEL_WRONG', null, `layer ${index} (${digest}): ${key}=${value}`)
    }
  }
}

async function checkReferences(
  content: ContentStore,
  holder: Digest,
  held: readonly Descriptor[],
  mayBeHeld: readonly Descriptor[],
  findings: Findings,
): Promise<void> {
  const labels = (await labelsOf(content, holder)).filter(([key]) => key.startsWith(CONTENT_PREFIX))
  const values = new Set(labels.map(([, value]) => value))
  for (const digest of new Set(held.map(({ digest }) => digest))) {
    if (!values.has(digest)) findings.add('GC_LABEL_MISSING', null, `${holder} does not keep ${digest}`)
  }
  const named = new Set<string>(mayBeHeld.map(({ digest }) => digest))
  for (const [key, value] of labels) {
    if (!named.has(value)) findings.add('GC_LABEL_STRAY', null, `${holder}: ${key}=${value}`)
  }
}

async function present(content: ContentStore, descriptors: readonly Descriptor[]): Promise<Descriptor[]> {
  const there: Descriptor[] = []
  for (const descriptor of descriptors) {
    if ((await infoOf(content, descriptor.digest)) !== undefined) there.push(descriptor)
  }
  return there
}

async function labelsOf(content: ContentStore, digest: Digest): Promise<[string, string][]> {
  return Object.entries((await infoOf(content, digest))?.labels ?? {})
}

/** @see OCI image spec, config.md, "Layer ChainID" */
function chainId(diffIds: readonly Digest[]): string {
  return diffIds.reduce<string>(
    (chain, diffId) =>
      chain === '' ? diffId : `sha256:${createHash('sha256').update(`${chain} ${diffId}`).digest('hex')}`,
    '',
  )
}
