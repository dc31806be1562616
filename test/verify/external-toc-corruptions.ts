/** Images whose TOCs are in a second image: what can be wrong with that, and with how the two belong together. */
import { gunzipSync, gzipSync } from 'node:zlib'
import { LAYER_DIGEST_ANNOTATION } from '../../optimizer/convert/toc-image.ts'
import { encodeFooter, tocMember } from '../../optimizer/estargz/gzip.ts'
import type { Toc } from '../../optimizer/estargz/toc.ts'
import { digestOf } from '../../optimizer/image/digest.ts'
import { type ImageParts, type LayerParts, TOC_ANNOTATION, tocOf } from '../helpers/converted-image.ts'
import { file, tarOf } from '../helpers/tar-language.ts'
import { type Corruption, layerOf, names, sha256sum } from './corruption.ts'

const tocsOf = (parts: ImageParts): ImageParts => {
  if (parts.tocs === undefined) throw new Error('the image has its TOCs inside')
  return parts.tocs
}
const tocLayer = (parts: ImageParts, index: number): LayerParts => layerOf(tocsOf(parts), index)
const belongsTo = (layer: LayerParts) => layer.annotations[LAYER_DIGEST_ANNOTATION]

/** A TOC as GNU tar takes it out of the second image. */
const shownToc = (parts: ImageParts) => tocOf(tocLayer(parts, 0).blob)

function changeExternalToc(parts: ImageParts, change: (toc: Toc) => void): void {
  const toc = shownToc(parts)
  change(toc)
  const json = Buffer.from(JSON.stringify(toc))
  tocLayer(parts, 0).blob = gzipSync(Buffer.concat(tocMember([json])))
  layerOf(parts, 0).annotations[TOC_ANNOTATION] = digestOf(json)
}

export const EXTERNAL_TOC_CORRUPTIONS: readonly Corruption[] = [
  {
    what: 'no second image',
    seed: (parts) => {
      delete parts.tocs
    },
    shown: (parts) => parts.tocs === undefined,
    codes: ['TOC_LAYER_MISSING'],
    named: /there is no image \(--estargz-external-toc-ref names it\) with the TOC of sha256:/,
  },
  {
    what: 'a second image of another platform',
    seed: (parts) => {
      const platform = { os: 'linux', architecture: 'arm64' }
      const tocs = tocsOf(parts)
      Object.assign(tocs.config, platform)
      tocs.child.platform = platform
    },
    shown: (parts) => tocsOf(parts).config.architecture,
    codes: ['TOC_LAYER_MISSING'],
    named: /tocs has nothing for linux\/amd64 with the TOC of sha256:/,
  },
  {
    what: 'a TOC that says that it belongs to another layer',
    seed: (parts) => {
      tocLayer(parts, 0).annotations[LAYER_DIGEST_ANNOTATION] = digestOf('other')
    },
    shown: (parts) => belongsTo(tocLayer(parts, 0)) === `sha256:${sha256sum(layerOf(parts, 0).blob)}`,
    codes: ['TOC_LAYER_MISSING', 'TOC_LAYER_STRAY'],
    named: /TOC image tocs: sha256:\w+ is said to be the TOC of sha256:/,
  },
  {
    what: 'two TOCs that have changed places',
    seed: (parts) => {
      const [first, second] = [tocLayer(parts, 0), tocLayer(parts, 1)]
      const annotations = first.annotations
      first.annotations = second.annotations
      second.annotations = annotations
    },
    shown: (parts) => sha256sum(Buffer.from(JSON.stringify(shownToc(parts)))) + belongsTo(tocLayer(parts, 0)),
    codes: [
      'ANNOTATION_WRONG',
      'CHUNK_COVERAGE',
      'TOC_ENTRY_ADDED',
      'TOC_ENTRY_MISSING',
      'TOC_FIELD',
      'TOC_FILE_DIGEST',
      'TOC_ORDER',
    ],
    named: /^bin\/sh: a reg in the tar/,
  },
  {
    what: 'a second TOC of one layer',
    seed: (parts) => {
      const { tocs } = parts
      const { annotations, mediaType, blob } = tocLayer(parts, 0)
      tocs?.layers.push({ annotations, mediaType, blob: gzipSync(gunzipSync(blob), { level: 1 }) })
    },
    shown: (parts) => tocsOf(parts).layers.map(belongsTo),
    codes: ['TOC_LAYER_STRAY'],
    named: /is said to be the TOC of sha256:/,
  },
  {
    what: 'a TOC that the layer does not promise',
    seed: (parts) => {
      const { annotations } = layerOf(parts, 0)
      const toc = tocLayer(parts, 0)
      const json = Buffer.from(JSON.stringify(shownToc(parts), null, 1))
      toc.blob = gzipSync(Buffer.concat(tocMember([json])))
      annotations['org.example.layer'] = 'kept'
    },
    shown: (parts) => {
      const tar = gunzipSync(tocLayer(parts, 0).blob)
      const bytes = Number.parseInt(tar.toString('latin1', 124, 135), 8)
      return (
        `sha256:${sha256sum(tar.subarray(512, 512 + bytes))}` ===
        layerOf(parts, 0).annotations[TOC_ANNOTATION]
      )
    },
    codes: ['ANNOTATION_WRONG'],
    named: /toc\.digest: the blob has sha256:/,
  },
  {
    what: "a file's digest in the second image",
    seed: (parts) => {
      changeExternalToc(parts, ({ entries }) => {
        for (const entry of entries)
          if (entry.name === 'large' && entry.type === 'reg') entry.digest = digestOf('other')
      })
    },
    shown: shownToc,
    codes: ['TOC_FILE_DIGEST'],
    named: /^large: the content has sha256/,
  },
  {
    what: "a file's mode in the second image",
    seed: (parts) => {
      changeExternalToc(parts, ({ entries }) => {
        for (const entry of entries) if (entry.name === 'old/b') entry.mode = 0o600
      })
    },
    shown: shownToc,
    codes: ['TOC_FIELD'],
    named: /^old\/b: mode: the tar has /,
  },
  {
    what: 'an offset in the second image, beyond the content',
    seed: (parts) => {
      changeExternalToc(parts, ({ entries }) => {
        for (const entry of entries)
          if (entry.name === 'old/b') entry.offset = layerOf(parts, 0).blob.length - 46
      })
    },
    shown: shownToc,
    codes: ['CHUNK_OFFSET'],
    named: /^old\/b: at 0: nothing begins at offset/,
  },
  {
    what: 'a byte of a TOC',
    seed: (parts) => {
      const toc = tocLayer(parts, 0)
      toc.stored = Buffer.from(toc.blob)
      toc.stored[20] = (toc.stored[20] as number) ^ 0xff
    },
    shown: (parts) => {
      const { stored, blob } = tocLayer(parts, 0)
      return sha256sum(stored ?? blob) === sha256sum(blob)
    },
    codes: ['BLOB_DIGEST', 'COMPRESSION'],
    named: /TOC image tocs: the blob sha256:\w+ has the digest/,
  },
  {
    what: 'a TOC that is not in the store',
    seed: (parts) => {
      tocLayer(parts, 0).descriptor = { digest: digestOf('nowhere') }
    },
    shown: (parts) => tocLayer(parts, 0).descriptor?.digest === undefined,
    codes: ['BLOB_MISSING'],
    named: /TOC image tocs: sha256:\w+ is not in the store/,
  },
  {
    what: "a TOC's size",
    seed: (parts) => {
      tocLayer(parts, 0).descriptor = { size: 10 }
    },
    shown: (parts) => tocLayer(parts, 0).descriptor?.size ?? tocLayer(parts, 0).blob.length,
    codes: ['DESCRIPTOR_SIZE'],
    named: /TOC image tocs: the blob sha256:\w+ has \d+ bytes, its descriptor says 10/,
  },
  {
    what: "a TOC's diff ID",
    seed: (parts) => {
      tocLayer(parts, 0).diffId = digestOf('other')
    },
    shown: (parts) => {
      const { diffId, blob } = tocLayer(parts, 0)
      return diffId === undefined || diffId === `sha256:${sha256sum(gunzipSync(blob))}`
    },
    codes: ['DIFF_ID'],
    named: /TOC image tocs: the uncompressed layer has sha256:/,
  },
  {
    what: "a TOC's media type",
    seed: (parts) => {
      tocLayer(parts, 0).mediaType = 'application/vnd.oci.image.layer.v1.tar+zstd'
    },
    shown: (parts) => [tocLayer(parts, 0).mediaType, tocLayer(parts, 0).blob.readUInt16BE(0)],
    codes: ['MEDIA_TYPE'],
    named: /TOC image tocs: sha256:\w+ is gzip, its media type is .*zstd/,
  },
  {
    what: 'something else than a TOC in its place',
    seed: (parts) => {
      tocLayer(parts, 0).blob = gzipSync(tarOf([file('other', '{}')]))
    },
    shown: (parts) => names(tocsOf(parts), 0),
    codes: ['TOC_MALFORMED', 'TOC_PLACE'],
    named: /does not hold a whole stargz\.index\.json/,
  },
  {
    what: 'another file beside a TOC',
    seed: (parts) => {
      const toc = tocLayer(parts, 0)
      const tar = gunzipSync(toc.blob)
      toc.blob = gzipSync(Buffer.concat([tar.subarray(0, -1024), tarOf([file('other', 'x')])]))
    },
    shown: (parts) => names(tocsOf(parts), 0),
    codes: ['TOC_PLACE'],
    named: /holds 2 entries, not the TOC alone/,
  },
  {
    what: 'a config of the second image that names another number of layers',
    seed: (parts) => {
      const tocs = tocsOf(parts)
      const diffIds = tocs.layers.map(({ blob }) => digestOf(gunzipSync(blob)))
      tocs.config.rootfs = { type: 'layers', diff_ids: [...diffIds, digestOf('more')] }
    },
    shown: (parts) => tocsOf(parts).config.rootfs.diff_ids.length > tocsOf(parts).layers.length,
    codes: ['LAYER_COUNT'],
    named: /TOC image tocs: 2 layers, its config has 3 diff IDs/,
  },
  {
    what: 'a TOC that nothing keeps alive',
    seed: (parts) => {
      tocsOf(parts).labels = (of, labels) => {
        if (of === 'manifest') delete labels['containerd.io/gc.ref.content.l.0']
      }
    },
    shown: (parts) => {
      const labels = { 'containerd.io/gc.ref.content.l.0': 'x' }
      tocsOf(parts).labels('manifest', labels)
      return labels
    },
    codes: ['GC_LABEL_MISSING'],
    named: /TOC image tocs: sha256:\w+ does not keep sha256:/,
  },
  {
    what: 'a TOC inside, beside the one in the second image',
    seed: (parts) => {
      const layer = layerOf(parts, 0)
      const json = Buffer.from(JSON.stringify(shownToc(parts)))
      const end = layer.blob.subarray(-46)
      const content = layer.blob.subarray(0, -46)
      layer.blob = Buffer.concat([content, gzipSync(Buffer.concat(tocMember([json]))), end])
      tocLayer(parts, 0).annotations[LAYER_DIGEST_ANNOTATION] = digestOf(layer.blob)
      layer.annotations['io.containers.estargz.uncompressed-size'] = String(gunzipSync(layer.blob).length)
    },
    shown: (parts) => names(parts, 0).includes('stargz.index.json'),
    codes: ['TOC_PLACE'],
    named: /an entry of the tar, but the TOC is in another image/,
  },
  {
    what: 'a footer that leads to a TOC inside, where there is none',
    seed: (parts) => {
      const layer = layerOf(parts, 0)
      const content = layer.blob.subarray(0, -46)
      layer.blob = Buffer.concat([content, encodeFooter(content.length)])
      tocLayer(parts, 0).annotations[LAYER_DIGEST_ANNOTATION] = digestOf(layer.blob)
    },
    shown: (parts) => layerOf(parts, 0).blob.includes('STARGZEXTERNALTOC'),
    codes: ['TOC_LAYER_STRAY', 'TOC_MALFORMED'],
    named: /the footer names the offset/,
  },
]
