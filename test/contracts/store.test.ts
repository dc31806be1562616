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
