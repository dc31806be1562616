/** Index, manifest and config of both images: what the source says stands in the target, and fits its bytes. */
import { SOURCE_ANNOTATION, VERSION_ANNOTATION } from '../convert/documents.ts'
import { isFormatAnnotation } from '../convert/layer.ts'
import { type Descriptor, MEDIA_TYPE } from '../image/descriptor.ts'
import type { ImageConfig, Index } from '../image/manifest.ts'
import type { Findings } from './difference.ts'
import type { PlatformImage } from './load-image.ts'

type Annotations = Record<string, string> | undefined

/** What an index says beside its children. */
export function compareIndexes(source: Index | null, target: Index | null, findings: Findings): void {
  if (source === null || target === null) return
  const rest = ({ manifests: _, mediaType: _type, annotations: _kept, ...other }: Index) => other
  for (const [pointer, message] of differences(rest(source), rest(target)))
    findings.add('INDEX_FIELD', null, `${pointer}: ${message}`)
  requireAnnotations(source.annotations, target.annotations, 'INDEX_FIELD', '', findings)
}

/** @param given annotations of the manifest that the target was to have, whatever the source's say */
export function compareDocuments(
  source: PlatformImage,
  target: PlatformImage,
  given: Record<string, string>,
  findings: Findings,
): void {
  compareManifests(source, target, given, findings)
  compareConfigs(source.config, target.config, findings)
  checkMediaTypes(target, findings)
  const counts = {
    source: source.manifest.layers.length,
    target: target.manifest.layers.length,
    diffIds: target.config.rootfs.diff_ids.length,
  }
  if (counts.source !== counts.target || counts.target !== counts.diffIds) {
    findings.add(
      'LAYER_COUNT',
      null,
      `source ${counts.source} layers, target ${counts.target}, its config ${counts.diffIds} diff IDs`,
    )
  }
}

/** Annotations of a layer that say nothing of its bytes stay. */
export function compareLayerAnnotations(source: Descriptor, target: Descriptor, findings: Findings): void {
  const kept = Object.entries(source.annotations ?? {}).filter(([key]) => !isFormatAnnotation(key))
  requireAnnotations(Object.fromEntries(kept), target.annotations, 'ANNOTATION_MISSING', '', findings)
}

function compareManifests(
  source: PlatformImage,
  target: PlatformImage,
  given: Record<string, string>,
  findings: Findings,
): void {
  const rest = ({
    config: _,
    layers: _layers,
    mediaType: _type,
    annotations: _kept,
    ...other
  }: object & {
    [field: string]: unknown
  }) => other
  for (const [pointer, message] of differences(rest(source.manifest), rest(target.manifest)))
    findings.add('MANIFEST_FIELD', null, `${pointer}: ${message}`)
  // A source that is a conversion itself says of its own source and version; the target says of this one.
  const {
    [SOURCE_ANNOTATION]: _source,
    [VERSION_ANNOTATION]: _version,
    ...kept
  } = source.manifest.annotations ?? {}
  const unchanged = Object.fromEntries(Object.entries(kept).filter(([key]) => given[key] === undefined))
  requireAnnotations(unchanged, target.manifest.annotations, 'MANIFEST_FIELD', '', findings)
  requireAnnotations(given, target.manifest.annotations, 'MANIFEST_FIELD', '', findings, 'asked for')
  const child = (image: PlatformImage): Annotations => image.descriptor.annotations
  requireAnnotations(child(source), child(target), 'INDEX_FIELD', 'of the manifest, ', findings)
}

function compareConfigs(source: ImageConfig, target: ImageConfig, findings: Findings): void {
  const rest = ({ rootfs, ...other }: ImageConfig) => ({ ...other, rootfs: { ...rootfs, diff_ids: null } })
  for (const [pointer, message] of differences(rest(source), rest(target))) {
    const code = pointer.startsWith('history') ? 'HISTORY' : 'CONFIG_FIELD'
    findings.add(code, null, `${pointer}: ${message}`)
  }
}

const OCI_FAMILY: ReadonlySet<string> = new Set([
  MEDIA_TYPE.ociManifest,
  MEDIA_TYPE.ociConfig,
  MEDIA_TYPE.ociLayer,
  MEDIA_TYPE.ociLayerGzip,
  MEDIA_TYPE.ociLayerZstd,
])

/** OCI's types do not mix with docker's; what is neither is nobody's to judge. */
function checkMediaTypes({ descriptor, manifest }: PlatformImage, findings: Findings): void {
  const isOci = OCI_FAMILY.has(descriptor.mediaType)
  for (const { mediaType, digest } of [manifest.config, ...manifest.layers]) {
    const isDocker = mediaType.startsWith('application/vnd.docker.')
    if (isOci ? isDocker : OCI_FAMILY.has(mediaType))
      findings.add(
        'MEDIA_TYPE',
        null,
        `${mediaType} of ${digest} in a manifest of type ${descriptor.mediaType}`,
      )
  }
}

function requireAnnotations(
  source: Annotations,
  target: Annotations,
  code: 'INDEX_FIELD' | 'MANIFEST_FIELD' | 'ANNOTATION_MISSING',
  where: string,
  findings: Findings,
  side = 'source',
): void {
  for (const [key, value] of Object.entries(source ?? {})) {
    const found = target?.[key]
    if (found === value) continue
    findings.add(code, null, `annotation ${where}${key}: ${side} ${shown(value)}, target ${shown(found)}`)
  }
}

/** Where two JSON values differ: a path of names and positions, and both values. The order of names is no difference. */
function differences(source: unknown, target: unknown, pointer = ''): [pointer: string, message: string][] {
  if (isObject(source) && isObject(target) && Array.isArray(source) === Array.isArray(target)) {
    const keys = [...new Set([...Object.keys(source), ...Object.keys(target)])]
    return keys.flatMap((key) =>
      differences(source[key], target[key], pointer === '' ? key : `${pointer}.${key}`),
    )
  }
  return source === target ? [] : [[pointer, `source ${shown(source)}, target ${shown(target)}`]]
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}

const SHOWN_LENGTH_MAX = 200

function shown(value: unknown): string {
  const text = value === undefined ? 'nothing' : JSON.stringify(value)
  return text.length <= SHOWN_LENGTH_MAX ? text : `${text.slice(0, SHOWN_LENGTH_MAX)}…`
}
