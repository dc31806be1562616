/** Files that no way of dying leaves behind: they are unlinked at once. */
import { type FileHandle, open, unlink } from 'node:fs/promises'
import { messageOf, PreconditionError } from '../../shared/errors.ts'

/** The disk gave out. Code: SPOOL_FAILED. */
export class SpoolError extends PreconditionError {
  /** @param what could not be kept */
  constructor(path: string, cause: unknown, what = 'an uncompressed layer') {
    super(
      'SPOOL_FAILED',
      `cannot keep ${what} in ${path}: ${messageOf(cause)}; give it room, or name another folder with --spool-dir or in TMPDIR`,
      { cause },
    )
  }
}

/** Open for both, and without a name. @param path of a file that does not exist yet */
export async function createNameless(path: string): Promise<FileHandle> {
  const file = await open(path, 'wx+', 0o600)
  try {
    await unlink(path)
    return file
  } catch (error) {
    await file.close().catch(() => {})
    throw error
  }
}

/** All of the bytes, wherever the system stops in between. */
export async function writeWhole(file: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length; )
    done += (await file.write(bytes, done, bytes.length - done, position + done)).bytesWritten
}
