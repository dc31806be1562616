/** `--wait-on-line` and `--wait-on-regex`: the workload has printed something, on stdout or stderr. */
import type { TextListener } from '../task-output.ts'
import type { StopRule } from './stop-rule.ts'
import { untilAborted } from './until.ts'

/** Calls the listener from now on. @returns stops doing so */
export type Subscribe = (listener: TextListener) => () => void

/** Takes the next piece of one stream, null at its end. @returns whether it is there now */
type Finder = (text: string | null) => boolean

/** A longer line is looked at in windows of this size, each beginning in the middle of the one before. */
export const WINDOW_CHARACTERS = 64 * 1024

/** Listens from now on: to be made before the workload starts. */
export function lineRule(text: string, subscribe: Subscribe): StopRule {
  const said = JSON.stringify(text)
  const words = { met: `has said ${said}`, unmet: `neither stream has said ${said}` }
  return outputRule('wait-on-line', () => textFinder(text), words, subscribe)
}

/** As {@link lineRule}; the pattern sees whole lines, without their end. */
export function regexRule(pattern: RegExp, subscribe: Subscribe): StopRule {
  const stateless = new RegExp(pattern.source, pattern.flags.replace(/[gy]/g, ''))
  const words = { met: `had a line that matches ${stateless}`, unmet: `no line has matched ${stateless}` }
  return outputRule('wait-on-regex', () => lineFinder(stateless), words, subscribe)
}

interface Words {
  /** After the name of the stream. */
  met: string
  unmet: string
}

function outputRule(name: string, finder: () => Finder, words: Words, subscribe: Subscribe): StopRule {
  const finders = { stdout: finder(), stderr: finder() }
  let isMet = false
  let found = words.unmet
  const seen = new Promise<string>((resolve) => {
    const unsubscribe = subscribe((stream, text) => {
      if (!finders[stream](text)) return
      unsubscribe()
      isMet = true
      found = `${stream} ${words.met}`
      resolve(found)
    })
  })
  return { name, met: (signal) => untilAborted(seen, signal), metByNow: () => isMet, found: () => found }
}

/** The text has no newline, so a match never runs over the end of a line; what was cut in two is looked at again. */
function textFinder(text: string): Finder {
  let tail = ''
  return (piece) => {
    if (piece === null) return false
    const all = tail + piece
    if (all.includes(text)) return true
    tail = all.slice(Math.max(0, all.length - text.length + 1))
    return false
  }
}

function lineFinder(pattern: RegExp): Finder {
  let pending = ''
  return (piece) => {
    const lines = (pending + (piece ?? '\n')).split('\n')
    pending = lines.pop() as string
    if (lines.some((line) => matches(pattern, line.replace(/\r$/, '')))) return true
    while (pending.length >= WINDOW_CHARACTERS) {
      if (pattern.test(pending.slice(0, WINDOW_CHARACTERS))) return true
      pending = pending.slice(WINDOW_CHARACTERS / 2)
    }
    return false
  }
}

function matches(pattern: RegExp, line: string): boolean {
  for (let start = 0; ; start += WINDOW_CHARACTERS / 2) {
    if (pattern.test(line.slice(start, start + WINDOW_CHARACTERS))) return true
    if (start + WINDOW_CHARACTERS >= line.length) return false
  }
}
