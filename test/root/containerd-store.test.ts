import { ContainerdContentStore, ContainerdImageStore } from '../../optimizer/store/containerd.ts'
import { contentStoreContract, imageStoreContract } from '../contracts/store.ts'
import { openContainerd, skipWithoutContainerd } from '../helpers/containerd.ts'

const skip = skipWithoutContainerd()

async function open() {
  const { client, stop } = await openContainerd()
  await client.leases.create('test', {}, new Date(Date.now() + 3600_000))
  const leased = client.underLease('test')
  const content = new ContainerdContentStore(leased, 'run1')
  return {
    content,
    images: new ContainerdImageStore(leased),
    ingests: () => client.content.listIngests('run1-'),
    close: stop,
  }
}

contentStoreContract(
  'containerd',
  async () => {
    const { content, ingests, close } = await open()
    return { store: content, ingests, close }
  },
  { skip },
)

imageStoreContract(
  'containerd',
  async () => {
    const { content, images, close } = await open()
    return { store: images, content, close }
  },
  { skip },
)
