import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { OciArchive } from '../../optimizer/store/oci-archive.ts'
import { OciLayout } from '../../optimizer/store/oci-layout.ts'
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
