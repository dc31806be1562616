/** Locks that the kernel takes back when their holder ends, however that happens. @see flock(2) */
import { loadAddon } from './addon.ts'
import { orNativeError } from './system-error.ts'

interface FileLockBinding {
  tryLock(descriptor: number): boolean
}

/** @returns whether the file is locked now, for this descriptor alone, until it is closed @throws {NativeError} LOCK_FAILED */
export function tryLock(descriptor: number): boolean {
  return orNativeError('LOCK_FAILED', 'cannot lock a file', '', () =>
    loadAddon<FileLockBinding>().tryLock(descriptor),
  )
}
