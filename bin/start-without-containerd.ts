/** `npm start` without containerd: the same image and result as OCI layouts, run by runc. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buildSampleImage, type SampleImage } from '../bench/sample/sample-image.ts'
import { formatSeconds } from '../optimizer/console.ts'
import type { RecordResult } from '../optimizer/record-only.ts'
import type { ConversionResult } from '../optimizer/result.ts'
import { formatReport } from './start-report.ts'

/** Until the app has answered once, as a user would warm it up, and reads nothing more. */
export const WARM = ['--http', 'GET http://localhost:8080/', '--settle', '500ms']

export interface Demonstration {
  /** Runs the command; what it prints. */
  optimizer(args: string[]): Promise<string>
  say(message: string): void
  signal: AbortSignal
}

/** For a machine that has containerd. @returns lines of the report */
export async function showWithoutContainerd(
  image: SampleImage,
  { optimizer, say, signal }: Demonstration,
): Promise<string[]> {
  signal.throwIfAborted()
  const folder = await mkdtemp(join(tmpdir(), 'hotlayer-start-'))
  try {
    const [source, target] = [`oci:${image.folder}`, `oci:${join(folder, 'result')}:optimized`]
    say('the same from an OCI layout, run by runc')
    const printed = await optimizer([
      'optimize',
      source,
      target,
      '--json',
      '--fast',
      '--runner',
      'runc',
      // Beside containerd's own folders, which can have overlays: the home folder may not.
      '--cache-dir',
      join(folder, 'cache'),
      ...WARM,
    ])
    const { record, stages } = JSON.parse(printed) as ConversionResult
    const seconds = stages.reduce((sum, stage) => sum + stage.seconds, 0)
    return [
      `runc ran the image from an OCI layout, no daemon was asked: it read ${record?.files ?? 0} files, and the result`,
      `was written as a layout after ${formatSeconds(seconds)}. docker://REFERENCE in place of oci: is a registry:`,
      '',
      '  bin/optimizer optimize docker://python:3.12 docker://registry.example.com/me/python:3.12-esgz --period 10s',
    ]
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** @returns the report */
export async function demonstrateWithoutContainerd({
  optimizer,
  say,
  signal,
}: Demonstration): Promise<string> {
  const image = await buildSampleImage({ kind: 'web', log: { debug() {}, info: say, warn: say }, signal })
  const folder = await mkdtemp(join(tmpdir(), 'hotlayer-start-'))
  try {
    const target = `oci:${join(folder, 'result')}:optimized`
    const printed = await optimizer([
      'optimize',
      `oci:${image.folder}`,
      target,
      '--json',
      '--verify',
      ...WARM,
    ])
    const result = JSON.parse(printed) as ConversionResult
    say('running the result by runc')
    const again = JSON.parse(
      await optimizer(['record', target, '--json', '--record-out', '/dev/null', ...WARM]),
    )
    const { record } = again as RecordResult
    return formatReport(result, image.layerTitles, [
      'There is no containerd on this machine: runc ran the image from an OCI layout. The result is one as well;',
      `unpacked and run again it answered, too, reading ${record.files} files, and holds the same file system as the original.`,
    ])
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
