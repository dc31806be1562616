import { FakeRegistry } from '../helpers/fake-registry.ts'
import { registryContract } from './registry.ts'

registryContract('ours for tests', async () => {
  const registry = await FakeRegistry.start({ referrers: true, mounts: true })
  return { port: Number(registry.host.split(':')[1]), stop: () => registry.stop() }
})
