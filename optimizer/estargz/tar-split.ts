/**
 * The bytes of a tar around the contents of its files, as lines of JSON: with the files at hand, a reader makes the
 * very same tar again and so proves its digest. Header blocks with what pads the content before them are one line,
 * each entry is another, with the CRC of its content.
 *
 * @see tar-split, tar/storage/entry.go, tar/asm/disassemble.go, tar/asm/iterate.go
 */
const FILE = 1
const SEGMENT = 2

export interface TarSplitFile {
  name: string
  /** 0 for whatever has no content in the tar. */
  sizeBytes: number
  /** CRC-64 of the content. */
  checksum?: Buffer
}

export class TarSplitText {
  readonly #full: (text: Buffer) => void
  readonly #pieceBytes: number
  #lines: string[] = []
  #bytes = 0
  #position = 0

  /** @param full is given the text as it comes, in pieces of at least `pieceBytes` but for the last */
  constructor(pieceBytes: number, full: (text: Buffer) => void) {
    this.#pieceBytes = pieceBytes
    this.#full = full
  }

  /** Bytes that belong to no content. */
  segment(bytes: Buffer): void {
    this.#add(`{"type":${SEGMENT},"payload":"${bytes.toString('base64')}","position":${this.#position}}`)
  }

  file({ name, sizeBytes, checksum }: TarSplitFile): void {
    const size = sizeBytes === 0 ? '' : `"size":${sizeBytes},`
    const payload = checksum === undefined ? 'null' : `"${checksum.toString('base64')}"`
    this.#add(
      `{"type":${FILE},"name":${JSON.stringify(name)},${size}"payload":${payload},"position":${this.#position}}`,
    )
  }

  /** Gives the rest. */
  end(): void {
    if (this.#lines.length === 0) return
    this.#full(Buffer.from(`${this.#lines.join('\n')}\n`))
    this.#lines = []
    this.#bytes = 0
  }

  #add(line: string): void {
    this.#lines.push(line)
    this.#bytes += line.length + 1
    this.#position++
    if (this.#bytes >= this.#pieceBytes) this.end()
  }
}
