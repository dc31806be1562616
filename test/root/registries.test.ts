/** The client against registries that are not ours: two implementations, which share no code. */
import { startRegistry } from '../../bench/lazy/registry.ts'
import { registryContract } from '../contracts/registry.ts'
import { skipWithoutSecondRegistry, startSecondRegistry } from '../helpers/second-registry.ts'

registryContract("docker's", () => startRegistry())

const skip = skipWithoutSecondRegistry()
for (const referrers of [true, false])
  registryContract(
    `go-containerregistry's${referrers ? ', with referrers' : ''}`,
    () => startSecondRegistry({ referrers }),
    { skip, isStore: referrers },
  )
