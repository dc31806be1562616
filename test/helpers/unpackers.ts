/** Images unpacked by programs that are not ours: containerd's own client, and umoci. */
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { digestOf } from '../../optimizer/image/digest.ts'
import { hostPlatform } from '../../optimizer/image/platform.ts'
import { ContainerdContentStore, ContainerdImageStore } from '../../optimizer/store/containerd.ts'
import { resolveImage } from '../../optimizer/store/resolve.ts'
import type { OptimizerBench } from './optimizer-bench.ts'
import { readTree, type TreeEntry } from './tree.ts'

/**
 * Before anything was unpacked here: file systems stamp with the clock of the last tick, which is a little behind.
 * containerd's snapshots are shared by images with equal layers, so it is not the time of one call.
 */
const BEFORE_UNPACKING = new Date(Date.now() - 1000)

/** Why tests that compare with these programs cannot run here, or false; with CI set they must. */
export function skipWithoutCommands(...commands: string[]): string | false {
  if (process.env.CI) return false
  const missing = commands.filter((command) => spawnSync(command, ['--version']).error !== undefined)
  return missing.length > 0 ? `needs ${missing.join(', ')} on PATH: run bin/setup --test` : false
}

/** The image as `ctr images mount` unpacks and shows it. */
export function treeByContainerd(bench: OptimizerBench, name: string): TreeEntry[] {
  return inFolder((folder) => {
    const target = join(folder, 'mounted')
    mkdirSync(target)
    bench.tool('ctr', ['images', 'mount', name, target])
    try {
      return readTree(target, BEFORE_UNPACKING)
    } finally {
      bench.tool('ctr', ['images', 'unmount', '--rm', target])
    }
  })
}

/** The image as `umoci raw unpack` writes it. */
export async function treeByUmoci(bench: OptimizerBench, name: string): Promise<TreeEntry[]> {
  const blobs = await blobsOf(bench, name)
  return inFolder((folder) => {
    const layout = join(folder, 'layout')
    mkdirSync(join(layout, 'blobs', 'sha256'), { recursive: true })
    for (const blob of blobs.files)
      writeFileSync(join(layout, 'blobs', 'sha256', digestOf(blob).slice('sha256:'.length)), blob)
    writeFileSync(join(layout, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}')
    const annotations = { 'org.opencontainers.image.ref.name': 'image' }
    const manifests = [{ ...blobs.manifest, annotations }]
    writeFileSync(join(layout, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests }))
    const target = join(folder, 'unpacked')
    execFileSync('umoci', ['raw', 'unpack', '--image', `${layout}:image`, target], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    return readTree(target, BEFORE_UNPACKING)
  })
}

/** A single tar as GNU tar extracts it. */
export function treeByTar(tar: Buffer): TreeEntry[] {
  return inFolder((folder) => {
    execFileSync('tar', ['--extract', '--same-permissions', '--numeric-owner', '--directory', folder], {
      input: tar,
    })
    return readTree(folder, BEFORE_UNPACKING)
  })
}

async function blobsOf(bench: OptimizerBench, name: string) {
  const { client } = bench.containerd
  const content = new ContainerdContentStore(client, 'test')
  const images = new ContainerdImageStore(client)
  const { descriptor, manifest } = await resolveImage(images, content, name, hostPlatform())
  const digests = new Set([descriptor, manifest.config, ...manifest.layers].map(({ digest }) => digest))
  const files = await Promise.all([...digests].map((digest) => bench.blob(digest)))
  const { mediaType, digest, size } = descriptor
  return { manifest: { mediaType, digest, size }, files }
}

function inFolder<T>(work: (folder: string) => T): T {
  const folder = mkdtempSync(join(tmpdir(), 'unpacked-'))
  try {
    return work(folder)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
