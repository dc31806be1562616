/**
 * Text of others on the page: names of files, commands, reasons. Whatever is in it, the page's markup stays what it is,
 * and a reader sees what a terminal or a browser would hide or turn round.
 */

/** Controls, what has no form of its own or turns the direction of what follows, and halves of characters. */
const UNSEEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu

const MARKUP: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }

const SHORT: Record<string, string> = { '\n': '\\n', '\t': '\\t', '\r': '\\r' }

/** Text for a text node or a quoted attribute, of HTML and SVG alike. */
export function escaped(text: string): string {
  return visible(text).replace(/[&<>"']/g, (character) => MARKUP[character] as string)
}

/** The same without regard to markup. */
export function visible(text: string): string {
  return text.replace(UNSEEN, (character) => {
    const number = character.codePointAt(0) as number
    if (number >= 0xd800 && number <= 0xdfff) return '\ufffd'
    return SHORT[character] ?? (number < 0x100 ? `\\x${hex(number, 2)}` : `\\u{${hex(number, 4)}}`)
  })
}

/** What may be in another direction than the text around it, kept to itself. */
export function isolated(text: string): string {
  return `<bdi>${escaped(text)}</bdi>`
}

/** A path from the root, which may be broken after its slashes. */
export function pathText(path: string): string {
  return `<span class="path"><bdi>/${escaped(path).replaceAll('/', '/<wbr>')}</bdi></span>`
}

/** At most so many characters: the beginning and the end of a path, which is where its names are. */
export function shortened(text: string, charactersMax: number): string {
  const characters = [...visible(text)]
  if (characters.length <= charactersMax) return characters.join('')
  const end = Math.ceil((charactersMax - 1) / 2)
  return `${characters.slice(0, charactersMax - 1 - end).join('')}…${characters.slice(-end).join('')}`
}

function hex(number: number, digits: number): string {
  return number.toString(16).padStart(digits, '0')
}
