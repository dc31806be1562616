/** Memory outside the heap, given back before the collector would. */
import { loadAddon } from './addon.ts'

interface MemoryBinding {
  detach(buffer: ArrayBuffer): void
  forget(bytes: Uint8Array): void
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

/**
 * For memory that is used again later, or shared, which stays until the collector of every thread has seen that it is not:
 * its pages go back to the system now. What lay in it is gone; its length stays, and what is written to it later counts.
 */
export function forgetContent(bytes: Buffer): void {
  loadAddon<MemoryBinding>().forget(bytes)
}
