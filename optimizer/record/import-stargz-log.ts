/**
 * Accesses from the log of a lazily pulling snapshotter that tells the first access to each file of each layer.
 *
 * @see stargz-snapshotter, fs/config/config.go, log_file_access
 */
import { cleanPath } from '../tar/path-key.ts'
import { type ForeignAccess, type ForeignAccesses, ForeignFormatError } from './foreign-access.ts'

const MESSAGE = 'file accessed: '

/**
 * Lines of JSON, or of `key=value`; others are passed over, as a log has many.
 * @throws {ForeignFormatError} no line tells of an access
 */
export function parseStargzLog(text: string): ForeignAccesses {
  const accesses: ForeignAccess[] = []
  let first: number | null = null
  for (const line of text.split('\n')) {
    if (!line.includes(MESSAGE)) continue
    const { msg = '', layer, time } = fieldsOf(line)
    if (!msg.startsWith(MESSAGE)) continue
    const at = time === undefined ? Number.NaN : Date.parse(time)
    if (!Number.isNaN(at)) first ??= at
    accesses.push({
      path: cleanPath(Buffer.from(msg.slice(MESSAGE.length))),
      place: layer === undefined ? null : { layerDigest: layer },
      kind: 'open',
      microseconds: Number.isNaN(at) || first === null ? 0 : Math.round((at - first) * 1000),
      pid: 0,
      command: null,
    })
  }
  if (accesses.length === 0)
    throw new ForeignFormatError(
      'no line tells of a file that was accessed: log_file_access = true, and the level debug',
    )
  return { accesses, started: first === null ? null : new Date(first), unresolved: 0 }
}

function fieldsOf(line: string): Partial<Record<'msg' | 'layer' | 'time', string>> {
  try {
    const json: unknown = JSON.parse(line)
    if (typeof json !== 'object' || json === null) return {}
    return Object.fromEntries(Object.entries(json).filter(([, value]) => typeof value === 'string'))
  } catch {
    return Object.fromEntries(
      [...line.matchAll(/(\w+)=("(?:[^"\\]|\\.)*"|\S+)/g)].map(([, key = '', value = '']) => [
        key,
        unquoted(value),
      ]),
    )
  }
}

/** Go quotes as JSON does, but for characters that hardly any name has. */
function unquoted(value: string): string {
  if (!value.startsWith('"')) return value
  try {
    return JSON.parse(value)
  } catch {
    return value.slice(1, -1)
  }
}
