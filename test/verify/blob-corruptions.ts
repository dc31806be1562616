/** Blobs that are damaged, cut short, or something else than their manifest says. */
import { gunzipSync, gzipSync } from 'node:zlib'
import { encodeFooter, tocMember } from '../../optimizer/estargz/gzip.ts'
import { MEDIA_TYPE } from '../../optimizer/image/descriptor.ts'
import { digestOf } from '../../optimizer/image/digest.ts'
import { replaceToc, tocOf, tocOffset } from '../helpers/converted-image.ts'
import { tarOf } from '../helpers/tar-language.ts'
import { type Corruption, layerOf, names, sha256sum } from './corruption.ts'
import { LAYERS } from './sample-layers.ts'

const TOC_BYTES_BEHIND = 51

export const BLOB_CORRUPTIONS: readonly Corruption[] = [
  {
    what: 'a byte of the blob',
    seed: (parts) => {
      const layer = layerOf(parts, 0)
      const at = (tocOf(layer.blob).entries.find(({ name }) => name === 'old/b')?.offset as number) + 12
      layer.stored = Buffer.from(layer.blob)
      layer.stored[at] = (layer.stored[at] as number) ^ 0xff
    },
    shown: (parts) => {
      const { stored, blob } = layerOf(parts, 0)
      return sha256sum(stored ?? blob) === sha256sum(blob)
    },
    codes: ['BLOB_DIGEST', 'COMPRESSION'],
    named: /^old\/b: /,
  },
  {
    what: 'a blob cut short',
    seed: (parts) => {
      const layer = layerOf(parts, 0)
      layer.stored = layer.blob.subarray(0, -10)
    },
    shown: (parts) => (layerOf(parts, 0).stored ?? layerOf(parts, 0).blob).length,
    codes: ['BLOB_DIGEST', 'COMPRESSION', 'DESCRIPTOR_SIZE', 'FOOTER'],
    named: /has \d+ bytes, its descriptor says \d+/,
  },
  {
    what: 'a blob that is not in the store',
    seed: (parts) => {
      layerOf(parts, 0).descriptor = { digest: digestOf('nowhere') }
    },
    shown: (parts) => layerOf(parts, 0).descriptor?.digest === undefined,
    codes: ['BLOB_MISSING'],
    named: /sha256:\w+ is not in the store/,
  },
  {
    what: 'bytes after the footer',
    seed: (parts) => {
      const layer = layerOf(parts, 0)
      layer.diffId = digestOf(gunzipSync(layer.blob))
      layer.blob = Buffer.concat([layer.blob, Buffer.from('garbage')])
    },
    shown: (parts) => layerOf(parts, 0).blob.subarray(-4).toString('hex'),
    codes: ['COMPRESSION', 'FOOTER'],
    named: /toc\.digest promises a TOC/,
  },
  {
    what: 'bytes between members, where gzip stops',
    seed: (parts) => {
      const layer = layerOf(parts, 0)
      const content = layer.blob.subarray(0, tocOffset(layer.blob))
      layer.diffId = digestOf(gunzipSync(layer.blob))
      const gap = Buffer.alloc(8)
      const toc = layer.blob.subarray(content.length, -TOC_BYTES_BEHIND)
      layer.blob = Buffer.concat([content, gap, toc, encodeFooter(content.length + gap.length)])
    },
    shown: (parts) => names(parts, 0).at(-1),
    codes: ['COMPRESSION'],
    named: /begin with a gzip header|members are none/,
  },
  {
    what: 'a footer that leads beside the TOC',
    seed: (parts) => {
      const layer = layerOf(parts, 0)
      const offset = tocOffset(layer.blob)
      layer.blob = Buffer.concat([layer.blob.subarray(0, -TOC_BYTES_BEHIND), encodeFooter(offset + 3)])
    },
    shown: (parts) => layerOf(parts, 0).blob.readUInt16BE(tocOffset(layerOf(parts, 0).blob)) === 0x1f8b,
    codes: ['TOC_MALFORMED'],
    named: /gzip member cannot be read/,
  },
  {
    what: 'a footer that leads to a copy of the TOC',
    seed: (parts) => {
      const layer = layerOf(parts, 0)
      const json = Buffer.from(JSON.stringify(tocOf(layer.blob)))
      const content = layer.blob.subarray(0, tocOffset(layer.blob))
      const [header, ...rest] = tocMember([json])
      const copy = gzipSync(Buffer.concat([header as Buffer, ...rest.slice(0, 2)]))
      const last = gzipSync(Buffer.concat(tocMember([json])))
      layer.blob = Buffer.concat([content, copy, last, encodeFooter(content.length)])
      layer.annotations['io.containers.estargz.uncompressed-size'] = String(gunzipSync(layer.blob).length)
    },
    shown: (parts) => names(parts, 0).filter((name) => name === 'stargz.index.json').length,
    codes: ['TOC_PLACE'],
    named: /2 entries of this name/,
  },
  {
    what: 'a TOC that is no JSON',
    seed: (parts) => {
      replaceToc(layerOf(parts, 0), Buffer.from('{"version":1,"entries":['))
    },
    shown: (parts) => {
      try {
        return tocOf(layerOf(parts, 0).blob) !== undefined
      } catch {
        return false
      }
    },
    codes: ['TOC_MALFORMED'],
    named: /the TOC is not JSON/,
  },
  {
    what: 'a TOC of another version',
    seed: (parts) => {
      const layer = layerOf(parts, 0)
      replaceToc(layer, Buffer.from(JSON.stringify({ ...tocOf(layer.blob), version: 2 })))
    },
    shown: (parts) => tocOf(layerOf(parts, 0).blob).version,
    codes: ['TOC_MALFORMED'],
    named: /version 2/,
  },
  {
    what: 'a bare tar where the manifest says gzip',
    seed: (parts) => {
      const layer = layerOf(parts, 0)
      layer.blob = gunzipSync(layer.blob)
      layer.diffId = digestOf(layer.blob)
    },
    shown: (parts) => layerOf(parts, 0).blob.readUInt16BE(0) === 0x1f8b,
    codes: ['FOOTER', 'MEDIA_TYPE'],
    named: /is tar, its media type is .*gzip/,
  },
  {
    what: 'a header of the tar with a wrong checksum',
    seed: (parts) => {
      const tar = tarOf(LAYERS[1] as NonNullable<(typeof LAYERS)[1]>)
      tar[512] = (tar[512] as number) ^ 1
      const kept = { 'org.example.layer': 'kept' }
      parts.layers[1] = { blob: gzipSync(tar), mediaType: MEDIA_TYPE.ociLayerGzip, annotations: kept }
    },
    shown: (parts) => {
      try {
        return names(parts, 1).length > 0
      } catch {
        return false
      }
    },
    codes: ['TAR_MALFORMED'],
    named: /wrong checksum/,
  },
  {
    what: 'a diff ID',
    seed: (parts) => {
      layerOf(parts, 0).diffId = digestOf('other')
    },
    shown: (parts) => {
      const { diffId, blob } = layerOf(parts, 0)
      return diffId === undefined || diffId === `sha256:${sha256sum(gunzipSync(blob))}`
    },
    codes: ['DIFF_ID'],
    named: /the uncompressed layer has sha256:\w+, the config says/,
  },
]
