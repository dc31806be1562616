import { FakeRegistry } from '../helpers/fake-registry.ts'
import { registryContract } from './registry.ts'

for (const referrers of [true, false])
  registryContract(
    `ours for tests${referrers ? ', with referrers' : ''}`,
    async () => {
      const registry = await FakeRegistry.start({ referrers, mounts: referrers })
      return { port: Number(registry.host.split(':')[1]), stop: () => registry.stop() }
    },
    { isStore: referrers },
  )
