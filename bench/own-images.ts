/** Images of ours in a private containerd: made and looked at by the commands that a user would type. */
import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { promisify } from 'node:util'
import { explainImage } from '../optimizer/explain-image.ts'
import { parseLocation } from '../optimizer/image/location.ts'
import { hostPlatform } from '../optimizer/image/platform.ts'
import { withSource } from '../optimizer/open-stores.ts'
import { readRecord } from '../optimizer/order/record-file.ts'
import type { ImageAnalysis } from '../optimizer/plan/analysis.ts'
import { resolveImage } from '../optimizer/store/resolve.ts'
import { OPTIMIZER } from './contestants.ts'
import type { PrivateContainerd } from './sample/private-containerd.ts'

const execute = promisify(execFile)

/** Options that name it. */
export function containerdOptions(daemon: PrivateContainerd): string[] {
  return ['--address', daemon.address, '--namespace', daemon.namespace]
}

/** What a command of the optimizer prints with --json. */
export async function optimizerJson<T>(
  daemon: PrivateContainerd,
  args: readonly string[],
  signal?: AbortSignal,
): Promise<T> {
  const words = [OPTIMIZER, ...args, '--json', ...containerdOptions(daemon)]
  const { stdout } = await execute(process.execPath, words, { signal, maxBuffer: Number.POSITIVE_INFINITY })
  return JSON.parse(stdout) as T
}

/** What is where in an image, and what a record of its source says of that. @param record path of it */
export async function explained(
  daemon: PrivateContainerd,
  image: string,
  record: string,
): Promise<ImageAnalysis> {
  const records = [{ file: record, platform: null, record: readRecord(await readFile(record, 'utf8')) }]
  const place = { address: daemon.address, namespace: daemon.namespace, directContent: true }
  return await withSource(parseLocation('image', image), place, async ({ content, images, name }) => {
    const found = await resolveImage(images, content, name, hostPlatform())
    return await explainImage(content, found, async () => null, { records, recordAnyLayer: false })
  })
}
