/** A verification as text, and as the failure of a command. */
import { CodedError, EXIT } from '../../shared/errors.ts'
import type { Difference } from './difference.ts'
import type { Verification, VerifiedPlatform } from './result.ts'

/** The target is no faithful conversion. Code: VERIFICATION_FAILED. */
export function verificationError({
  source,
  target,
  differenceCount,
  differences,
}: Verification): CodedError {
  const count = differenceCount === 1 ? 'one difference' : `${differenceCount} differences`
  const [first] = differences
  const example = first === undefined ? '' : `, the first is ${differenceLine(first)}`
  const message = `${target.name} is no faithful conversion of ${source.name}: ${count}${example}`
  return new CodedError('VERIFICATION_FAILED', message, { exitCode: EXIT.verification })
}

/** Lines that end with a newline. */
export function formatVerification(verification: Verification): string {
  const { equal, source, target, platforms, platformsLeftOut, differences, differenceCount } = verification
  const rest = differenceCount - differences.length
  const lines = equal
    ? [`${target.name} is equal to ${source.name}: ${platforms.map(platformText).join('; ')}`]
    : [
        ...differences.map(differenceLine),
        ...(rest > 0 ? [`and ${rest} more: --max-differences lists them`] : []),
      ]
  if (platformsLeftOut.length > 0) lines.push(`not in the target: ${platformsLeftOut.join(', ')}`)
  return lines.map((line) => `${line}\n`).join('')
}

function platformText({ platform, layers, fileSystem }: VerifiedPlatform): string {
  const chunks = layers.reduce((sum, { toc }) => sum + (toc?.chunks ?? 0), 0)
  const { files = 0, contentBytes = 0 } = fileSystem ?? {}
  return `${platform} ${layers.length} layers, ${files} files of ${contentBytes} bytes, ${chunks} chunks`
}

/** `CODE [platform] [layer n] [/path]: message`, on one line whatever is in it. */
function differenceLine({ code, platform, layer, path, message }: Difference): string {
  const place = [
    ...(platform === null ? [] : [platform]),
    ...(layer === null ? [] : [`layer ${layer}`]),
    ...(path === null ? [] : [`/${path}`]),
  ].join(' ')
  return `${code}${place === '' ? '' : ` ${place}`}: ${message}`.replace(
    /\p{Cc}/gu,
    (character) => `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`,
  )
}
