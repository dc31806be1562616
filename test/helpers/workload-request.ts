/** From a command line to what would run: the request, the runtime spec and the files beside it. For unit tests. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import yargs from 'yargs'
import { PARSER_CONFIGURATION } from '../../optimizer/command-line.ts'
import type { Arguments } from '../../optimizer/commands/command.ts'
import { addWorkloadOptions, workloadOptions } from '../../optimizer/commands/workload-options.ts'
import { specJson } from '../../optimizer/containerd/spec-json.ts'
import type { ContainerConfig } from '../../optimizer/image/manifest.ts'
import { networkFiles } from '../../optimizer/workload/network-files.ts'
import type { WorkloadOptions } from '../../optimizer/workload/options.ts'
import type { ContainerOptions } from '../../optimizer/workload/spec/container-options.ts'
import { planProcess, runtimeSpec } from '../../optimizer/workload/spec/runtime-spec.ts'

/** A runtime spec, as far as tests look at it. */
export interface SeenSpec {
  hostname?: string
  root: { readonly: boolean }
  hooks?: Record<string, { path: string }[]>
  process: {
    args: string[]
    env: string[]
    user: { additionalGids: number[] }
    capabilities: { bounding: string[]; effective: string[]; permitted: string[] }
    rlimits: { type: string; soft: number; hard: number }[]
    noNewPrivileges: boolean
    apparmorProfile?: string
  }
  mounts: { destination: string; type: string; source: string; options: string[] }[]
  linux: {
    namespaces: { type: string }[]
    resources: { devices: object[]; memory?: object; cpu?: object; pids?: object }
    devices?: { path: string }[]
    seccomp?: { defaultAction: string; syscalls: { names: string[]; action: string }[] }
    maskedPaths: string[]
    readonlyPaths: string[]
  }
}

export interface SeenWorkload {
  spec: SeenSpec
  /** The spec as the runtime gets it. */
  json: string
  container: ContainerOptions
  /** Text by path in the container. */
  files: Record<string, string>
}

export interface Seeing {
  config?: ContainerConfig
  /** Options that the parser loses. */
  dropped?: readonly string[]
}

/** Of `optimizer record IMAGE` with these words. @throws {CodedError} what the program would end with */
export async function seenWorkload(words: readonly string[], seeing: Seeing = {}): Promise<SeenWorkload> {
  const options = await parsedWorkload(words, seeing.dropped)
  const folder = mkdtempSync(join(tmpdir(), 'workload-request-'))
  try {
    const files = networkFiles(options, folder)
    const parts = {
      plan: planProcess(
        seeing.config ?? { Entrypoint: ['/entry'], Cmd: ['cmd'], Env: ['PATH=/bin'] },
        options,
      ),
      user: { uid: 0, gid: 0, additionalGids: [0] },
      rootPath: '/rootfs',
      mountNamespacePath: '/proc/7/ns/mnt',
      cgroupPath: '/id',
      network: options.netHost ? null : { hostname: 'usual' },
      files,
      container: options.container,
    }
    const json = specJson(runtimeSpec(parts))
    return {
      spec: JSON.parse(json),
      json,
      container: options.container ?? {},
      files: Object.fromEntries(
        files.map(({ source, destination }) => [destination, readFileSync(source, 'utf8')]),
      ),
    }
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** @param dropped options that the parser loses */
export async function parsedWorkload(
  words: readonly string[],
  dropped: readonly string[] = [],
): Promise<WorkloadOptions> {
  // The whole program's parser takes nine times as long, and reads these words alike.
  const parser = addWorkloadOptions(
    yargs([...words], '/')
      .parserConfiguration(PARSER_CONFIGURATION)
      .locale('en')
      .strict()
      .exitProcess(false),
  )
  const argv: Arguments = await parser.parseAsync()
  return workloadOptions(Object.fromEntries(Object.entries(argv).filter(([name]) => !dropped.includes(name))))
}
