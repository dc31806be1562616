import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { RegistryAccess } from '../../optimizer/registry/access.ts'
import { OciArchive } from '../../optimizer/store/oci-archive.ts'
import { OciLayout } from '../../optimizer/store/oci-layout.ts'
import { RegistryImages } from '../../optimizer/store/registry.ts'
import { FakeRegistry, testSettings } from '../helpers/fake-registry.ts'
import { MemoryContentStore, MemoryImageStore } from '../helpers/memory-store.ts'
import { contentStoreContract, imageStoreContract } from './store.ts'

contentStoreContract('in memory', async () => {
  const store = new MemoryContentStore()
  return { store, ingests: async () => [...store.ingests.keys()], close: async () => {} }
})

imageStoreContract('in memory', async () => ({
  store: new MemoryImageStore(),
  content: new MemoryContentStore(),
  close: async () => {},
}))

for (const [name, open] of [
  ['OCI layout', (folder: string) => OciLayout.openForWriting(join(folder, 'layout'))],
  ['OCI archive', (folder: string) => OciArchive.openForWriting(join(folder, 'archive.tar'))],
] as const) {
  const inFolder = async () => {
    const folder = mkdtempSync(join(tmpdir(), 'store-'))
    const opened = await open(folder)
    const close = async () => {
      await opened.close()
      rmSync(folder, { recursive: true })
    }
    return { opened, close }
  }

  contentStoreContract(name, async () => {
    const { opened, close } = await inFolder()
    return { store: opened.content, ingests: async () => opened.ingests, close }
  })

  imageStoreContract(
    name,
    async () => {
      const { opened, close } = await inFolder()
      return { store: opened.images, content: opened.content, close }
    },
    { labels: false },
  )
}

const inRegistry = async () => {
  const registry = await FakeRegistry.start()
  const access = new RegistryAccess(testSettings(tmpdir(), { keepBlobs: true }))
  const reference = { registry: registry.host, repository: 'team/app', tag: 'v1', digest: null }
  const opened = new RegistryImages(access, reference, 'write')
  const close = async () => {
    await opened.close()
    await access.close()
    await registry.stop()
  }
  const nameOf = (text: string) => `${registry.host}/team/app:${text.replaceAll(/[/:]/g, '-')}`
  return { opened, close, nameOf }
}

// Those that keep nothing are in registry.test.ts.
contentStoreContract('registry whose blobs are kept', async () => {
  const { opened, close } = await inRegistry()
  return { store: opened.content, ingests: async () => [...opened.content.ingests], close }
})

imageStoreContract(
  'registry',
  async () => {
    const { opened, close, nameOf } = await inRegistry()
    return { store: opened.images, content: opened.content, close, nameOf }
  },
  { labels: false, annotations: false },
)
