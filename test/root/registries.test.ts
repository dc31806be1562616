/** The client against registries that are not ours: two that share no code, one of which knows referrers. */
import { startRegistry } from '../../bench/lazy/registry.ts'
import { registryContract } from '../contracts/registry.ts'
import { skipWithoutSecondRegistry, startSecondRegistry } from '../helpers/second-registry.ts'

registryContract("docker's", () => startRegistry())

const skip = skipWithoutSecondRegistry()
registryContract("go-containerregistry's", startSecondRegistry, { skip })
