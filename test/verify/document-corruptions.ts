/** Index, manifest, config, annotations and labels that say something else than the source, or than the bytes. */
import { MEDIA_TYPE } from '../../optimizer/image/descriptor.ts'
import { digestOf } from '../../optimizer/image/digest.ts'
import { type ImageParts, SIZE_ANNOTATION, store, TOC_ANNOTATION } from '../helpers/converted-image.ts'
import { MemoryContentStore } from '../helpers/memory-store.ts'
import { type Corruption, layerOf } from './corruption.ts'

interface Documents {
  index: unknown
  manifest: unknown
  config: unknown
  labels: unknown
}

/** What is stored, read back as JSON. */
function documents(parts: ImageParts): Documents {
  const content = new MemoryContentStore()
  const root = store(content, parts)
  const read = (digest: string) => JSON.parse(content.bytesOf(digest as `sha256:${string}`).toString())
  const index = read(root.digest)
  const manifest = read(index.manifests[0].digest)
  const labels = [...content.blobs.values()].map((blob) => blob.labels)
  let config: unknown
  try {
    config = read(manifest.config.digest)
  } catch {
    config = 'no JSON'
  }
  return { index, manifest, config, labels }
}

function document(
  what: string,
  seed: (parts: ImageParts) => void,
  codes: Corruption['codes'],
  named: RegExp,
): Corruption {
  const seeded = (parts: ImageParts) => {
    seed(parts)
    return parts
  }
  return { what, seed: seeded, shown: documents, codes, named }
}

/** The labels of one kind of blob changed. */
function labels(
  what: string,
  kind: 'index' | 'manifest' | 'config' | 'layer',
  change: (labels: Record<string, string>) => void,
  codes: Corruption['codes'],
  named: RegExp,
): Corruption {
  const seed = (parts: ImageParts) => {
    parts.labels = (of, labels) => {
      if (of === kind) change(labels)
    }
  }
  return document(what, seed, codes, named)
}

const OTHER = digestOf('other')

export const DOCUMENT_CORRUPTIONS: readonly Corruption[] = [
  document(
    'the size of a layer in its descriptor',
    (parts) => {
      layerOf(parts, 0).descriptor = { size: 12 }
    },
    ['DESCRIPTOR_SIZE'],
    /has \d+ bytes, its descriptor says 12/,
  ),
  document(
    'the size of the config in its descriptor',
    (parts) => {
      parts.configDescriptor = { size: 12 }
    },
    ['DESCRIPTOR_SIZE'],
    /config sha256:\w+ has \d+ bytes, its descriptor says 12/,
  ),
  document(
    'the TOC digest in its annotation',
    (parts) => {
      layerOf(parts, 0).annotations[TOC_ANNOTATION] = OTHER
    },
    ['ANNOTATION_WRONG'],
    /toc\.digest: the blob has sha256:\w+, said is sha256/,
  ),
  document(
    'no annotation of the TOC digest',
    (parts) => {
      delete layerOf(parts, 0).annotations[TOC_ANNOTATION]
    },
    ['ANNOTATION_MISSING'],
    /toc\.digest should be sha256/,
  ),
  document(
    'the uncompressed size in its annotation',
    (parts) => {
      layerOf(parts, 0).annotations[SIZE_ANNOTATION] = '12'
    },
    ['ANNOTATION_WRONG'],
    /uncompressed-size: the blob has \d+, said is 12/,
  ),
  document(
    'an annotation of another format',
    (parts) => {
      layerOf(parts, 0).annotations['io.github.containers.zstd-chunked.manifest-checksum'] = OTHER
    },
    ['ANNOTATION_WRONG'],
    /zstd-chunked\.manifest-checksum promises what the blob has not/,
  ),
  document(
    "an annotation of the source's layer lost",
    (parts) => {
      delete layerOf(parts, 1).annotations['org.example.layer']
    },
    ['ANNOTATION_MISSING'],
    /org\.example\.layer: source "kept", target nothing/,
  ),
  document(
    'the media type of a layer',
    (parts) => {
      layerOf(parts, 1).mediaType = MEDIA_TYPE.dockerLayerGzip
    },
    ['MEDIA_TYPE'],
    /docker.*in a manifest of type .*oci/,
  ),
  document(
    'a layer said to be compressed in another way',
    (parts) => {
      layerOf(parts, 1).mediaType = MEDIA_TYPE.ociLayerZstd
    },
    ['MEDIA_TYPE'],
    /is gzip, its media type is .*zstd/,
  ),
  document(
    'the media type in the manifest',
    (parts) => {
      parts.manifest.mediaType = MEDIA_TYPE.dockerManifest
    },
    ['MEDIA_TYPE'],
    /says .*docker.*, what names it says .*oci/,
  ),
  document(
    'the environment in the config',
    (parts) => {
      parts.config.config = { ...parts.config.config, Env: ['PATH=/bin', 'A=c'] }
    },
    ['CONFIG_FIELD'],
    /config\.Env\.1: source "A=b", target "A=c"/,
  ),
  document(
    'an unknown field of the config lost',
    (parts) => {
      delete parts.config['org.example.unknown']
    },
    ['CONFIG_FIELD'],
    /org\.example\.unknown: source \{.*\}, target nothing/,
  ),
  document(
    'the order of the history',
    (parts) => {
      ;(parts.config.history as unknown[]).reverse()
    },
    ['HISTORY'],
    /history\.0\.created_by: source "COPY base", target "COPY app"/,
  ),
  document(
    'an entry of the history lost',
    (parts) => {
      ;(parts.config.history as unknown[]).pop()
    },
    ['HISTORY'],
    /history\.2: source .*COPY app.*, target nothing/,
  ),
  document(
    'a layer lost',
    (parts) => {
      parts.layers.pop()
    },
    ['LAYER_COUNT'],
    /source 2 layers, target 1/,
  ),
  document(
    'a diff ID lost',
    (parts) => {
      parts.config.rootfs.diff_ids = [layerOf(parts, 0).diffId ?? OTHER]
      parts.labels = (of, labels) => {
        if (of === 'layer') delete labels['containerd.io/uncompressed']
      }
    },
    ['DIFF_ID', 'LAYER_COUNT'],
    /its config 1 diff IDs/,
  ),
  document(
    'a config that is no JSON object',
    (parts) => {
      parts.configDescriptor = { digest: parts.manifest.mediaType as never }
    },
    ['DOCUMENT_INVALID', 'PLATFORM_MISSING'],
    /config: .* is not a sha256 digest/,
  ),
  document(
    "an annotation of the source's manifest lost",
    (parts) => {
      delete parts.manifest.annotations
    },
    ['MANIFEST_FIELD'],
    /org\.example\.manifest: source "kept", target nothing/,
  ),
  document(
    "an annotation of the source's index changed",
    (parts) => {
      parts.index.annotations = { 'org.example.index': 'changed' }
    },
    ['INDEX_FIELD'],
    /org\.example\.index: source "kept", target "changed"/,
  ),
  document(
    "an annotation of the manifest's descriptor lost",
    (parts) => {
      delete parts.child.annotations
    },
    ['INDEX_FIELD'],
    /of the manifest, org\.example\.child/,
  ),
  document(
    'the platform in the index',
    (parts) => {
      parts.child.platform = { os: 'linux', architecture: 'arm64' }
    },
    ['INDEX_PLATFORM'],
    /index linux\/arm64, config linux\/amd64/,
  ),
  document(
    'the platform in the config',
    (parts) => {
      parts.config.architecture = 'arm64'
    },
    ['INDEX_PLATFORM', 'PLATFORM_MISSING'],
    /linux\/arm64 is not in the source/,
  ),
  labels(
    'a layer that the manifest does not keep',
    'manifest',
    (labels) => {
      delete labels['containerd.io/gc.ref.content.l.1']
    },
    ['GC_LABEL_MISSING'],
    /does not keep sha256/,
  ),
  labels(
    'a manifest that the index does not keep',
    'index',
    (labels) => {
      delete labels['containerd.io/gc.ref.content.m.0']
    },
    ['GC_LABEL_MISSING'],
    /does not keep sha256/,
  ),
  labels(
    'a label that keeps the source',
    'manifest',
    (labels) => {
      labels['containerd.io/gc.ref.content.l.2'] = OTHER
    },
    ['GC_LABEL_STRAY'],
    /gc\.ref\.content\.l\.2=sha256/,
  ),
  labels(
    "a label that keeps the source's snapshot",
    'config',
    (labels) => {
      labels['containerd.io/gc.ref.snapshot.overlayfs'] = OTHER
    },
    ['GC_LABEL_STRAY'],
    /gc\.ref\.snapshot\.overlayfs=sha256/,
  ),
  labels(
    'the diff ID in a label',
    'layer',
    (labels) => {
      labels['containerd.io/uncompressed'] = OTHER
    },
    ['LABEL_WRONG'],
    /layer 0 .*containerd\.io\/uncompressed=sha256/,
  ),
]
