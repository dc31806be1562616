/** Memory outside the heap, given back before the collector would. */
import { loadAddon } from './addon.ts'

interface MemoryBinding {
  detach(buffer: ArrayBuffer): void
}

/** Smaller ones are not worth a call; those of Node's pool, which others have parts of, are smaller still. */
const RELEASED_BYTES_MIN = 64 * 1024

/**
 * For a buffer that nobody reads any more: the collector sees such a buffer as a small object and lets tens of
 * megabytes of them lie. Only a buffer that ends with its memory has it released: of several pieces of one memory, that
 * are used in their order, the last gives it back. All are empty then.
 */
export function releaseMemory(bytes: Buffer): void {
  const { buffer, byteOffset, byteLength } = bytes
  if (buffer.byteLength < RELEASED_BYTES_MIN || byteOffset + byteLength < buffer.byteLength) return
  if (buffer instanceof ArrayBuffer) loadAddon<MemoryBinding>().detach(buffer)
}
