/** Random tars for property tests: every type, three formats, odd names, duplicates now and then. */
import fc from './property.ts'
import {
  device,
  dir,
  fifo,
  file,
  type ItemOptions,
  link,
  symlink,
  type TarFormat,
  type TarItem,
  tarOf,
} from './tar-language.ts'

export interface RandomTar {
  items: TarItem[]
  tar: Buffer
}

const part = fc.constantFrom('a', 'b', 'c', 'usr', 'bin', 'lib', 'caf\u00e9', 'n'.repeat(60), '.hidden')
const path = fc.array(part, { minLength: 1, maxLength: 4 }).map((parts) => parts.join('/'))
const content = fc.oneof(
  fc.constant(Buffer.alloc(0)),
  fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
  fc
    .tuple(fc.nat({ max: 255 }), fc.integer({ min: 400, max: 9000 }))
    .map(([byte, size]) => Buffer.alloc(size, byte)),
)
const format = fc.constantFrom<TarFormat>('ustar', 'pax', 'gnu')

const options: fc.Arbitrary<ItemOptions> = fc.record({
  format,
  mode: fc.constantFrom(0, 0o644, 0o755, 0o4755, 0o1777),
  uid: fc.constantFrom(0, 1, 1000, 2_000_000),
  mtime: fc.integer({ min: 0, max: 2_000_000_000 }),
  userName: fc.constantFrom('', 'root', 'www'),
})

const item: fc.Arbitrary<TarItem> = fc
  .tuple(fc.nat({ max: 9 }), path, path, content, options)
  .map(([kind, name, target, bytes, chosen]) => {
    switch (kind) {
      case 0:
      case 1:
        return dir(`${name}/`, chosen)
      case 2:
        return symlink(name, target, chosen)
      case 3:
        return link(name, target, chosen)
      case 4:
        return device(name, 1, 3, chosen)
      case 5:
        return fifo(name, chosen)
      default:
        return file(name, bytes, chosen)
    }
  })

/** @param unique no name comes twice, and hard links name a file before them */
export function anyTar({ unique = false } = {}): fc.Arbitrary<RandomTar> {
  return fc.array(item, { maxLength: 12 }).map((items) => {
    const chosen = unique ? withUniqueNames(items) : items
    return { items: chosen, tar: tarOf(chosen) }
  })
}

function withUniqueNames(items: TarItem[]): TarItem[] {
  const files: string[] = []
  return items.flatMap((entry, index) => {
    // In front: ustar headers cut long names at their end.
    const name = Buffer.from(`${index}-${entry.name.toString()}`)
    if (entry.flag === '1' && files.length === 0) return []
    if (entry.flag === '0') files.push(name.toString())
    return [entry.flag === '1' ? { ...entry, name, linkName: files.at(-1) as string } : { ...entry, name }]
  })
}
