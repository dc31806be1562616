/** Colours for people; never where nobody looks at a terminal, unless they are asked for. */

/**
 * NO_COLOR takes them away, FORCE_COLOR brings them (0: takes them away); set and empty is not set.
 * @see no-color.org, force-color.org
 */
export function wantsColour(isTerminal: boolean, env: NodeJS.ProcessEnv = process.env): boolean {
  if ((env.NO_COLOR ?? '') !== '') return false
  if ((env.FORCE_COLOR ?? '') !== '') return env.FORCE_COLOR !== '0'
  return isTerminal && env.TERM !== 'dumb'
}

const STYLES = { bold: [1, 22], red: [31, 39], yellow: [33, 39] } as const

export type Style = keyof typeof STYLES

export function styled(text: string, style: Style): string {
  const [on, off] = STYLES[style]
  return `\x1b[${on}m${text}\x1b[${off}m`
}
