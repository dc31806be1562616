import { NotFoundError } from '../../shared/errors.ts'
import { referenceCandidates } from '../image/reference.ts'
import type { ImageStore, StoredImage } from './store.ts'

/**
 * The image of exactly this name, else as docker completes it.
 * @param elsewhere what to say to somebody who looks for one of these names in the wrong place; '' when it is not known
 * @throws {NotFoundError} naming what was tried
 */
export async function findAsDocker(
  images: Pick<ImageStore, 'get'>,
  text: string,
  elsewhere: (names: readonly string[]) => Promise<string> = async () => '',
): Promise<StoredImage> {
  const candidates = referenceCandidates(text)
  for (const candidate of candidates) {
    try {
      return await images.get(candidate)
    } catch (error) {
      if (!(error instanceof NotFoundError)) throw error
    }
  }
  const advice = await elsewhere(candidates)
  throw new NotFoundError(
    `no image ${candidates.map((candidate) => JSON.stringify(candidate)).join(' or ')} in this store: ` +
      (advice ||
        'pull it first (for example `ctr image pull`), take it from its registry (docker://NAME), or check --namespace'),
  )
}
