/** Service Images: names and what they point at. */
import type { Descriptor } from '../image/descriptor.ts'
import type { Connection } from './connection.ts'
import { fromWireDescriptor, toWireDescriptor } from './descriptor.ts'
import { ifFound } from './errors.ts'
import { type Image, ImagesService } from './generated/images.ts'

export interface NamedImage {
  name: string
  target: Descriptor
  labels: Record<string, string>
}

export class Images {
  readonly #connection: Connection

  constructor(connection: Connection) {
    this.#connection = connection
  }

  /** @throws {NotFoundError} */
  async get(name: string): Promise<NamedImage> {
    const { image } = await this.#connection.unary(ImagesService.get, { name }, { what: what(name) })
    const { labels, target } = image as Required<Image>
    return { name, labels, target: fromWireDescriptor(target) }
  }

  /** @throws {AlreadyExistsError} */
  async create(image: NamedImage): Promise<void> {
    await this.#connection.unary(ImagesService.create, { image: toWire(image) }, { what: what(image.name) })
  }

  /** Replaces target and labels. @throws {NotFoundError} */
  async update(image: NamedImage): Promise<void> {
    await this.#connection.unary(ImagesService.update, { image: toWire(image) }, { what: what(image.name) })
  }

  /** @returns false when there was no such image */
  async delete(name: string): Promise<boolean> {
    return await ifFound(
      this.#connection.unary(ImagesService.delete, { name, sync: true }, { what: what(name) }),
    )
  }
}

function what(name: string): string {
  return `the image "${name}"`
}

function toWire(image: NamedImage): Image {
  return { name: image.name, labels: image.labels, target: toWireDescriptor(image.target) }
}
