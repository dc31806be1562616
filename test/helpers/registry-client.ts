/** A repository of a fake registry, as the product asks it. */
import { tmpdir } from 'node:os'
import { digestOf } from '../../optimizer/image/digest.ts'
import { type AccessContext, RegistryAccess } from '../../optimizer/registry/access.ts'
import type { Repository } from '../../optimizer/registry/repository.ts'
import type { RegistrySettings } from '../../optimizer/registry/settings.ts'
import type { BlobToSend } from '../../optimizer/registry/upload.ts'
import { type FakeOptions, FakeRegistry, testSettings } from './fake-registry.ts'
import { inPieces } from './tar-layer.ts'

export interface Asking {
  registry: FakeRegistry
  repository: Repository
  access: RegistryAccess
}

/** A registry for one test, and `team/app` in it. */
export async function withFake(
  options: FakeOptions,
  changes: Partial<RegistrySettings>,
  body: (asking: Asking) => Promise<void>,
  context: AccessContext = {},
): Promise<void> {
  const registry = await FakeRegistry.start(options)
  const access = new RegistryAccess(testSettings(tmpdir(), changes), context)
  try {
    await body({ registry, access, repository: access.repository(registry.host, 'team/app', 'write') })
  } finally {
    await access.close()
    await registry.stop()
  }
}

export async function bytesOf(pieces: AsyncIterable<Buffer>): Promise<Buffer> {
  const all: Buffer[] = []
  for await (const piece of pieces) all.push(piece)
  return Buffer.concat(all)
}

/** Read in pieces, from anywhere. */
export function blobToSend(bytes: Buffer): BlobToSend {
  return {
    digest: digestOf(bytes),
    sizeBytes: bytes.length,
    read: (start, end) => inPieces(bytes.subarray(start, end)),
  }
}
