/** containerd pulls an image in full: all layers at once over one link, unpacked one after the other, then it runs. */
import type { ClientModel } from './client-model.ts'
import { type Connections, Wire } from './connections.ts'
import type { Link } from './link.ts'
import type { PredictedStart } from './predicted-start.ts'
import type { LayerOfStart, StartFacts } from './start-facts.ts'
import { type Process, type Task, World } from './virtual-time.ts'

export function fullPull(facts: StartFacts, link: Link, client: ClientModel): PredictedStart {
  const world = new World()
  const wire = new Wire(link, client)
  let pullSeconds = 0
  world.start(
    (function* (): Process {
      yield { seconds: client.pullSeconds }
      const connections = wire.connections()
      yield* fetchDocuments(facts, connections)
      const fetches = facts.layers.map(({ sizeBytes }) => world.start(connections.request(sizeBytes)))
      yield* unpackInOrder(facts.layers, fetches, client)
      pullSeconds = world.now
      yield { seconds: client.runSeconds + facts.ownSeconds }
    })(),
  )
  world.run()
  return {
    pullSeconds,
    runSeconds: world.now - pullSeconds,
    totalSeconds: world.now,
    ...wire.traffic,
    onDemandRequests: 0,
    laterBytes: 0,
  }
}

/** What a name points at is asked for twice: whether it is there, and what it is. */
export function* fetchDocuments({ documentBytes, hasIndex }: StartFacts, connections: Connections): Process {
  yield* connections.request(0)
  const documents = hasIndex ? 3 : 2
  for (let index = 0; index < documents; index++) yield* connections.request(documentBytes / documents)
}

export function* unpackInOrder(
  layers: readonly LayerOfStart[],
  fetches: readonly Task[],
  { unpackBytesPerSecond, unpackFileSeconds }: ClientModel,
): Process {
  for (const [index, { uncompressedBytes, compression, files }] of layers.entries()) {
    yield { ends: fetches.slice(index, index + 1) }
    yield {
      seconds: uncompressedBytes / unpackBytesPerSecond[compression] + files * unpackFileSeconds,
    }
  }
}
