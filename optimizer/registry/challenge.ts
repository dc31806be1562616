/** WWW-Authenticate: which kinds of proof a server takes. @see RFC 9110, 11.6.1; distribution, "Token Authentication" */

export interface Challenge {
  /** In lower case: `bearer`, `basic`. */
  scheme: string
  parameters: Record<string, string>
}

const TOKEN = "[!#$%&'*+.^_`|~0-9A-Za-z-]+"
const PARAMETER = new RegExp(
  `^\\s*(${TOKEN})\\s*=\\s*(?:"((?:[^"\\\\]|\\\\.)*)"|(${TOKEN}))\\s*(?:,|$|(?=\\s))`,
)
const SCHEME = new RegExp(`^[\\s,]*(${TOKEN})(?:\\s+|$|(?=,))`)

/** All challenges of a header, in its order; what cannot be read ends it. */
export function parseChallenges(header: string): Challenge[] {
  const challenges: Challenge[] = []
  let rest = header
  while (rest.trim() !== '') {
    const scheme = SCHEME.exec(rest)
    if (scheme === null) break
    rest = rest.slice(scheme[0].length)
    const parameters: Record<string, string> = {}
    for (let match = PARAMETER.exec(rest); match !== null; match = PARAMETER.exec(rest)) {
      const [whole, name = '', quoted, plain] = match
      parameters[name.toLowerCase()] =
        quoted === undefined ? (plain ?? '') : quoted.replaceAll(/\\(.)/g, '$1')
      rest = rest.slice(whole.length)
    }
    challenges.push({ scheme: (scheme[1] as string).toLowerCase(), parameters })
  }
  return challenges
}
