/** zstd frames of every kind, as tests need them. */
import { zstdBinding } from '../../native/zstd.ts'

/** A frame that says its size and has a checksum. */
export function zstdFrame(content: Buffer, level = 3): Buffer {
  const { CCtx, CParameter, compressBound } = zstdBinding()
  const context = new CCtx()
  context.setParameter(CParameter.compressionLevel, level)
  context.setParameter(CParameter.checksumFlag, 1)
  const output = Buffer.alloc(compressBound(content.length))
  return output.subarray(0, context.compress2(output, content))
}

/** A frame whose size its writer did not know. */
export function zstdStream(content: Buffer): Buffer {
  const { CCtx, EndDirective, compressBound } = zstdBinding()
  const context = new CCtx()
  const output = Buffer.alloc(compressBound(content.length) + 1024)
  const half = content.length >> 1
  const [, first] = context.compressStream2(output, content.subarray(0, half), EndDirective.flush)
  const [, second] = context.compressStream2(output.subarray(first), content.subarray(half), EndDirective.end)
  return output.subarray(0, first + second)
}

/** A frame that readers pass over. @see RFC 8878, section 3.1.2 */
export function skippable(content: Buffer | string): Buffer {
  const bytes = Buffer.from(content)
  const header = Buffer.alloc(8)
  header.writeUInt32LE(0x184d2a50, 0)
  header.writeUInt32LE(bytes.length, 4)
  return Buffer.concat([header, bytes])
}
