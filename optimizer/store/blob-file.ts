/** Blobs in plain files, read without trusting what lies there. */
import { constants } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { PreconditionError, systemCodeOf } from '../../shared/errors.ts'

const PIECE_BYTES = 1024 * 1024

/**
 * Opens a regular file; never through a symbolic link, never a device or a FIFO, on which a read may hang.
 * @returns undefined where there is none
 * @throws {PreconditionError} FILE_UNFIT
 */
export async function openRegular(
  path: string,
): Promise<{ file: FileHandle; sizeBytes: number } | undefined> {
  let file: FileHandle
  try {
    file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  } catch (cause) {
    if (systemCodeOf(cause) === 'ENOENT') return undefined
    if (systemCodeOf(cause) === 'ELOOP')
      throw new PreconditionError('FILE_UNFIT', `${path} is a symbolic link: it is not followed`, { cause })
    throw new PreconditionError('FILE_UNFIT', `cannot read ${path}: ${(cause as Error).message}`, { cause })
  }
  const stat = await file.stat()
  if (stat.isFile()) return { file, sizeBytes: stat.size }
  await file.close()
  throw new PreconditionError('FILE_UNFIT', `${path} is not a regular file`)
}

/** The bytes from `start` to `end` in new buffers of at most 1 MiB. @throws {PreconditionError} FILE_TRUNCATED */
export async function* readPieces(file: FileHandle, start: number, end: number): AsyncGenerator<Buffer> {
  for (let position = start; position < end; ) {
    const piece = Buffer.allocUnsafe(Math.min(PIECE_BYTES, end - position))
    const { bytesRead } = await file.read(piece, 0, piece.length, position)
    if (bytesRead === 0)
      throw new PreconditionError(
        'FILE_TRUNCATED',
        'a file of the image became shorter while it was read: leave the image alone, and try again',
      )
    yield piece.subarray(0, bytesRead)
    position += bytesRead
  }
}
