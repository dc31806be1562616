import { NotFoundError } from '../../shared/errors.ts'
import { referenceCandidates } from '../image/reference.ts'
import type { ImageStore, StoredImage } from './store.ts'

/** The image of exactly this name, else as docker completes it. @throws {NotFoundError} naming what was tried */
export async function findAsDocker(images: Pick<ImageStore, 'get'>, text: string): Promise<StoredImage> {
  const candidates = referenceCandidates(text)
  for (const candidate of candidates) {
    try {
      return await images.get(candidate)
    } catch (error) {
      if (!(error instanceof NotFoundError)) throw error
    }
  }
  throw new NotFoundError(
    `no image ${candidates.map((candidate) => JSON.stringify(candidate)).join(' or ')} in this store: pull it first ` +
      '(for example `ctr image pull`), and check --namespace',
  )
}
