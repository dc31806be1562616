import { compressionEngine } from '../../native/compression.ts'
import { PROTOCOL_VERSION } from '../../shared/messages.ts'
import { packageVersion } from '../version.ts'

/** What `--version` prints: whatever decides about bytes or compatibility. */
export function versionText(): string {
  const { name, version } = packageVersion()
  const engine = compressionEngine()
  return [
    `${name} ${version}`,
    `compression engine: ${engine.name} ${engine.version}`,
    `notifier protocol: ${PROTOCOL_VERSION.major}.${PROTOCOL_VERSION.minor}`,
    `node ${process.versions.node}`,
    '',
  ].join('\n')
}
