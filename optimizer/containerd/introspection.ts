/** Service Introspection: what this containerd is made of. */
import type { Connection } from './connection.ts'
import { IntrospectionService } from './generated/introspection.ts'

const CONTENT_PLUGIN = 'io.containerd.content.v1'

export class Introspection {
  readonly #connection: Connection

  constructor(connection: Connection) {
    this.#connection = connection
  }

  /**
   * The folder of containerd's own content store, in which a blob is `blobs/<algorithm>/<hex>`: as the daemon sees it.
   * @returns undefined where blobs are elsewhere (a content plugin of another kind)
   * @see containerd, plugins/content/local
   */
  async contentFolder(): Promise<string | undefined> {
    const { plugins } = await this.#connection.unary(
      IntrospectionService.plugins,
      { filters: [`type==${CONTENT_PLUGIN}`] },
      { what: "the list of containerd's plugins" },
    )
    const [only, ...others] = plugins.filter(({ type }) => type === CONTENT_PLUGIN)
    return others.length === 0 && only?.id === 'content' ? only.exports.root || undefined : undefined
  }
}
