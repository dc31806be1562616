/** Option values as typed to values as used. Every parser names its option and says what it wants. */
import { accessSync, constants, readFileSync, realpathSync, statSync } from 'node:fs'
import { isIP } from 'node:net'
import { dirname, resolve } from 'node:path'
import { messageOf, PreconditionError, UsageError } from '../../shared/errors.ts'
import { LOCALHOST } from '../workload/stop-rules/tcp.ts'

export function invalidOption(option: string, value: unknown, wanted: string): UsageError {
  return new UsageError('OPTION_INVALID', `--${option} ${JSON.stringify(value)}: ${wanted}`)
}

const DURATION_UNITS: Record<string, number> = { '': 1, ms: 0.001, s: 1, m: 60, h: 3600 }
/** Timers of the runtime count milliseconds in 31 bits. */
const DURATION_SECONDS_MAX = 24 * 24 * 3600

/** `10`, `10s`, `500ms`, `2m`, `1h` → seconds, more than 0. */
export function durationSeconds(option: string, text: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h|)$/.exec(text.trim())
  const seconds =
    match === null ? Number.NaN : Number(match[1]) * (DURATION_UNITS[match[2] as string] as number)
  if (seconds > 0 && seconds <= DURATION_SECONDS_MAX) return seconds
  throw invalidOption(
    option,
    text,
    'write a time such as 10s, 500ms or 2m (a bare number is seconds), more than 0 and at most 24 days',
  )
}

export function integerBetween(option: string, text: string, min: number, max: number): number {
  const value = /^\d+$/.test(text.trim()) ? Number(text) : Number.NaN
  if (value >= min && value <= max) return value
  throw invalidOption(option, text, `write a whole number from ${min} to ${max}`)
}

const SIZE_UNITS: Record<string, number> = { '': 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 }

/** `4194304`, `512KiB`, `4MiB` → bytes. */
export function sizeBytes(option: string, text: string, min: number, max: number): number {
  const match = /^(\d+)(KiB|MiB|GiB|)$/.exec(text.trim())
  const bytes = match === null ? Number.NaN : Number(match[1]) * (SIZE_UNITS[match[2] as string] as number)
  if (bytes >= min && bytes <= max) return bytes
  throw invalidOption(option, text, `write a size from ${min} to ${max} bytes, for example 4MiB`)
}

const BIT_UNITS: Record<string, number> = { k: 1e3, m: 1e6, g: 1e9 }
const BITS_MIN = 1000
const BITS_MAX = 1e15

/** `100Mbit`, `1Gbit`, `2.5 Gbit/s` → bits a second, or undefined: of whoever asks it is a part of a value. */
export function bitRate(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)\s?([kmg])bit(?:\/s)?$/i.exec(text.trim())
  const bits =
    match === null ? Number.NaN : Number(match[1]) * (BIT_UNITS[(match[2] as string).toLowerCase()] as number)
  return bits >= BITS_MIN && bits <= BITS_MAX ? bits : undefined
}

const BINARY_UNITS = ['', 'k', 'm', 'g', 't']

/** As docker takes sizes of memory: `64m`, `1.5g`, `512MiB`, `65536`; units are powers of 1024. */
export function memoryBytes(option: string, text: string, min: number): number {
  const match = /^(\d+(?:\.\d+)?)\s?([kmgt]?)(?:i?b)?$/i.exec(text.trim())
  const power = BINARY_UNITS.indexOf((match?.[2] ?? '').toLowerCase())
  const bytes = match === null ? Number.NaN : Math.floor(Number(match[1]) * 1024 ** power)
  if (bytes >= min && bytes <= Number.MAX_SAFE_INTEGER) return bytes
  throw invalidOption(option, text, `write a size such as 64m, 1g or 512MiB, at least ${min} bytes`)
}

/** A JSON array of strings, as the peer takes `--entrypoint` and `--args`. */
export function stringArray(option: string, text: string): string[] {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    const why = /^\s*\[/.test(text) ? ` (${messageOf(cause)})` : ''
    throw invalidOption(option, text, `write a JSON array of strings such as ${arrayOf(text)}${why}`)
  }
  if (Array.isArray(value) && value.every((item) => typeof item === 'string' && !item.includes('\0')))
    return value
  throw invalidOption(option, text, `write a JSON array of strings such as ${arrayOf(text)}`)
}

/** Plain words as the shell has to be given them; of anything else an example. */
function arrayOf(text: string): string {
  const words = text.split(/\s+/).filter((word) => word !== '')
  const isPlain = words.length > 0 && !/["'[\]{}\\]/.test(text)
  return `'${JSON.stringify(isPlain ? words : ['/bin/sh', '-c', 'true'])}'`
}

/** A command as a JSON array: a program and its arguments. */
export function commandArgs(option: string, text: string): string[] {
  const args = stringArray(option, text)
  if (args.length > 0 && args[0] !== '') return args
  throw invalidOption(option, text, 'the command is empty')
}

/** An address or `localhost`: a workload's network may know no other name. */
export function isLocalHost(host: string, isBracketed: boolean): boolean {
  return isBracketed ? isIP(host) === 6 : isIP(host) === 4 || host === LOCALHOST
}

/** A URL of http whose host is an address or `localhost`. */
export function localHttpUrl(option: string, text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined
  const host = url?.hostname.replace(/^\[(.*)\]$/, '$1') ?? ''
  if (url?.protocol === 'http:' && (isIP(host) !== 0 || host === LOCALHOST)) return url
  throw invalidOption(
    option,
    text,
    'write http:// with an address or localhost: http://localhost:8080/health',
  )
}

/** `NAME=value` sets, `NAME` removes. */
export function environmentChange(option: string, text: string): string {
  if (/^[^=\0]+(?:=[^\0]*)?$/s.test(text)) return text
  throw invalidOption(option, text, 'write NAME=value, or NAME alone to remove it')
}

/** The text of a file that is named on the command line. @throws {PreconditionError} FILE_UNREADABLE */
export function inputFile(option: string, file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (cause) {
    throw new PreconditionError('FILE_UNREADABLE', `--${option}: cannot read ${file}: ${messageOf(cause)}`, {
      cause,
    })
  }
}

export function contradiction(sentence: string): UsageError {
  return new UsageError('OPTIONS_CONTRADICT', sentence)
}

/** The first that comes a second time, or undefined. */
export function firstTwice(values: readonly string[]): string | undefined {
  return values.find((value, index) => values.indexOf(value) < index)
}

/** A file that will be written at the end: its folder is looked at now; of a pipe or a device itself. */
export function outputFile(option: string, text: string): string {
  const path = resolve(text)
  try {
    const present = statSync(path, { throwIfNoEntry: false })
    if (present?.isDirectory()) throw new Error('it is a directory')
    if (present === undefined) accessSync(dirname(path), constants.W_OK | constants.X_OK)
    else if (present.isFile()) accessSync(dirname(realpathSync(path)), constants.W_OK | constants.X_OK)
    else accessSync(path, constants.W_OK)
  } catch (cause) {
    throw invalidOption(option, text, `this file cannot be written (${messageOf(cause)})`)
  }
  return path
}

export function oneOf<const T extends string>(option: string, text: string, allowed: readonly T[]): T {
  const found = allowed.find((item) => item === text)
  if (found !== undefined) return found
  throw invalidOption(option, text, `write one of ${allowed.join(', ')}`)
}
