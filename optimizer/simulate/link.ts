/** A network link between a registry and a client. */

export interface Link {
  /** As a person writes it: `100 Mbit/s, 20 ms`. */
  title: string
  /** From the registry to the client; requests are small. */
  bitsPerSecond: number
  roundTripSeconds: number
}

/** A data centre, an office, a home or a train. */
export const LINKS: readonly Link[] = [link(1e9, 0.001), link(100e6, 0.02), link(25e6, 0.06)]

export function link(bitsPerSecond: number, roundTripSeconds: number): Link {
  const title = `${formatBitRate(bitsPerSecond)}, ${Number((roundTripSeconds * 1000).toFixed(3))} ms`
  return { title, bitsPerSecond, roundTripSeconds }
}

export function formatBitRate(bitsPerSecond: number): string {
  const [unit, size] =
    bitsPerSecond >= 1e9
      ? ['Gbit/s', 1e9]
      : bitsPerSecond >= 1e6
        ? ['Mbit/s', 1e6]
        : (['kbit/s', 1e3] as const)
  return `${Number((bitsPerSecond / (size as number)).toFixed(3))} ${unit}`
}
