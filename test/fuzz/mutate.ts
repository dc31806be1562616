/** Changes to an input that parsers find hard: bits, lengths, words of the format, pieces of other inputs. */
import type { Random } from './random.ts'

const NUMBERS = [0, 1, 0x7f, 0x80, 0xff, 0x100, 0x7fff, 0xffff, 0x10000, 0x7fffffff, 0x80000000, 0xffffffff]
const JSON_VALUES = [
  '0',
  '-1',
  '1',
  '0.5',
  '1e308',
  '9007199254740993',
  '""',
  '"a"',
  'null',
  'true',
  '[]',
  '{}',
  '[1]',
  '{"a":[]}',
]
const CHANGES_MAX = 6
const PIECE_BYTES_MAX = 600

type Change = (bytes: Buffer, random: Random, context: MutationContext) => Buffer

export interface MutationContext {
  corpus: readonly Buffer[]
  /** Words of the format. */
  dictionary: readonly Buffer[]
  inputBytesMax: number
}

/** A copy of one of the corpus, changed in a few places. */
export function mutated(random: Random, context: MutationContext): Buffer {
  let bytes: Buffer = Buffer.from(random.of(context.corpus))
  for (let changes = 1 + random.below(CHANGES_MAX); changes > 0; changes--)
    bytes = random.of(CHANGES)(bytes, random, context)
  return bytes.subarray(0, context.inputBytesMax)
}

const CHANGES: Change[] = [
  (bytes, random) => {
    if (bytes.length > 0) {
      const at = random.below(bytes.length)
      bytes[at] = (bytes[at] as number) ^ (1 << random.below(8))
    }
    return bytes
  },
  (bytes, random) => {
    if (bytes.length > 0) bytes[random.below(bytes.length)] = random.below(256)
    return bytes
  },
  (bytes, random) => {
    const width = random.of([1, 2, 4])
    if (bytes.length < width) return bytes
    const at = random.below(bytes.length - width + 1)
    const value = random.of(NUMBERS) % 2 ** (8 * width)
    if (random.below(2) === 0) bytes.writeUIntBE(value, at, width)
    else bytes.writeUIntLE(value, at, width)
    return bytes
  },
  // A decimal or octal number becomes another one.
  (bytes, random) => {
    const digits = [...bytes.toString('latin1').matchAll(/\d+/g)]
    if (digits.length === 0) return bytes
    const { index, 0: text } = random.of(digits)
    const number = random.of([
      '0',
      '-1',
      '007',
      '9'.repeat(1 + random.below(22)),
      String(random.of(NUMBERS)),
      '1e308',
    ])
    return splice(bytes, index, text.length, Buffer.from(number))
  },
  (bytes, random) => {
    const values = [
      ...bytes.toString('latin1').matchAll(/(?<=":)("[^"]*"|-?[\d.]+|null|true|false|\[\]|\{\})/g),
    ]
    if (values.length === 0) return bytes
    const { index, 0: text } = random.of(values)
    return splice(bytes, index, text.length, Buffer.from(random.of(JSON_VALUES)))
  },
  (bytes, random, { dictionary }) =>
    splice(bytes, random.below(bytes.length + 1), 0, dictionary.length > 0 ? random.of(dictionary) : bytes),
  // A word over what is there: the length stays.
  (bytes, random, { dictionary }) => {
    if (dictionary.length === 0) return bytes
    const word = random.of(dictionary)
    return splice(bytes, random.below(bytes.length + 1), word.length, word)
  },
  (bytes, random) =>
    splice(bytes, random.below(bytes.length + 1), random.below(PIECE_BYTES_MAX), Buffer.alloc(0)),
  (bytes, random) => bytes.subarray(0, random.below(bytes.length + 1)),
  (bytes, random) => splice(bytes, random.below(bytes.length + 1), 0, piece(bytes, random)),
  (bytes, random, { corpus }) =>
    splice(bytes, random.below(bytes.length + 1), 0, piece(random.of(corpus), random)),
  (bytes, random, { corpus }) => {
    const other = random.of(corpus)
    return Buffer.concat([
      bytes.subarray(0, random.below(bytes.length + 1)),
      other.subarray(random.below(other.length + 1)),
    ])
  },
  (bytes, random) => {
    const one = piece(bytes, random)
    return splice(
      bytes,
      random.below(bytes.length + 1),
      0,
      Buffer.concat(Array(1 + random.below(40)).fill(one)),
    )
  },
]

function piece(bytes: Buffer, random: Random): Buffer {
  const at = random.below(bytes.length + 1)
  return bytes.subarray(at, at + 1 + random.below(PIECE_BYTES_MAX))
}

function splice(bytes: Buffer, at: number, removed: number, inserted: Buffer): Buffer {
  return Buffer.concat([bytes.subarray(0, at), inserted, bytes.subarray(at + removed)])
}
