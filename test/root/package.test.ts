/** What npm publishes: packed, installed into an empty prefix, and run from there. */
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import {
  accessSync,
  constants,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import type { ConversionResult } from '../../optimizer/result.ts'
import { busyboxFiles, putImage } from '../helpers/busybox-image.ts'
import { skipWithoutContainerd } from '../helpers/containerd.ts'
import { OptimizerBench } from '../helpers/optimizer-bench.ts'

const root = fileURLToPath(new URL('../../../', import.meta.url))
const version = (JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }).version
const prebuilds = `prebuilds/linux-${process.arch}`

describe('the package', () => {
  let folder: string
  let tarball: string
  let contents: string[]
  let prefix: string

  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'optimizer-package-'))
    const clone = copyOfClone(join(folder, 'clone'))
    tarball = pack(clone, folder, [])
    contents = execFileSync('tar', ['-tzf', tarball], { encoding: 'utf8' })
      .trim()
      .split('\n')
      .map((path) => path.replace(/^package\//, ''))
  })

  after(() => rmSync(folder, { recursive: true, force: true }))

  it('holds both programs, what they run, and the addon and launcher for this machine', () => {
    const expected = [
      'bin/optimizer',
      'bin/notifier',
      'dist/optimizer/main.js',
      'dist/notifier/main.js',
      `${prebuilds}/addon.node`,
      `${prebuilds}/launcher`,
    ]
    for (const path of [
      ...expected,
      'native/binding.gyp',
      'native/install.mjs',
      'README.md',
      'LICENSE',
      'CHANGELOG.md',
      'docs/protocol.md',
    ])
      assert.ok(contents.includes(path), path)
  })

  it('holds no tests, benchmarks, TypeScript, caches or build folders', () => {
    const unwanted = contents.filter((path) =>
      /^(test|bench|dist\/(test|bench|bin)|node_modules|native\/build|\.)|\.(ts|map|log)$/.test(path),
    )
    assert.deepEqual(unwanted, [])
  })

  it('names no folder of the machine that it was packed on', () => {
    const unpacked = join(folder, 'unpacked')
    mkdirSync(unpacked)
    execFileSync('tar', ['-xzf', tarball, '-C', unpacked])
    const named = [root, folder].flatMap((path) => grep(path.replace(/\/$/, ''), unpacked))
    assert.deepEqual(named, [])
  })

  it('is installed and run without a compiler', () => {
    prefix = join(folder, 'prefix')
    install(tarball, prefix, pathWithoutCompiler(join(folder, 'commands')))
    assertRuns(prefix)
    const installed = join(prefix, 'lib', 'node_modules', '@hotlayer', 'optimizer')
    accessSync(join(installed, prebuilds, 'launcher'), constants.X_OK)
    assert.ok(!readdirSync(join(installed, 'native')).includes('build'), 'nothing was built')
  })

  it('does the main job from there', { skip: skipWithoutContainerd() }, async () => {
    const bench = await OptimizerBench.open()
    try {
      const files = { 'data/': '', 'data/unread': 'u', 'data/read': 'r' }
      const cat = { Entrypoint: ['/bin/cat', '/data/read'] }
      await bench.withStores((stores) => putImage(stores, 'source', [busyboxFiles(), files], cat))
      const { address, namespace } = bench.containerd.daemon
      const { status, stdout, stderr } = spawnSync(
        join(prefix, 'bin', 'optimizer'),
        ['optimize', 'source', 'target', '--json', '--address', address, '--namespace', namespace],
        { encoding: 'utf8' },
      )
      assert.equal(status, 0, stderr)
      const { layers } = JSON.parse(stdout) as ConversionResult
      assert.equal(layers[1]?.prioritizedFiles, 1, 'of the two files in the upper layer one was read')
    } finally {
      await bench.close()
    }
  })

  it('is built from source where the prebuild is missing', () => {
    const unpacked = join(folder, 'without-prebuilds')
    mkdirSync(unpacked)
    execFileSync('tar', ['-xzf', tarball, '-C', unpacked, '--exclude=package/prebuilds'])
    const built = join(folder, 'built-prefix')
    // zstd-napi would be built as well, for longer; bin/setup does that.
    const source = pack(join(unpacked, 'package'), unpacked, ['--ignore-scripts'])
    install(source, built, process.env.PATH ?? '', ['--omit=optional'])
    assertRuns(built)
    const release = join(built, 'lib', 'node_modules', '@hotlayer', 'optimizer', 'native', 'build', 'Release')
    accessSync(join(release, 'launcher'), constants.X_OK)
  })
})

/**
 * The clone, so that packing leaves nothing in the one at work. What was built stays built: times are kept, and of what
 * is installed the headers that the addon was built with are where the compiler was told of.
 */
function copyOfClone(target: string): string {
  const left = ['node_modules', 'prebuilds', '.git', '.cache']
  const copied = readdirSync(root).filter((name) => !left.includes(name))
  mkdirSync(join(target, 'node_modules'), { recursive: true })
  execFileSync('cp', ['--archive', ...copied, target], { cwd: root })
  for (const name of readdirSync(join(root, 'node_modules'))) {
    const [from, to] = [root, target].map((folder) => join(folder, 'node_modules', name)) as [string, string]
    if (name === 'node-addon-api') execFileSync('cp', ['--archive', from, to])
    else symlinkSync(from, to)
  }
  return target
}

function pack(source: string, target: string, options: string[]): string {
  execFileSync('npm', ['pack', '--pack-destination', target, ...options], {
    cwd: source,
    env: { ...process.env, PATH: pathOfMachine() },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  return join(target, `hotlayer-optimizer-${version}.tgz`)
}

/**
 * Without the matrix's own containerd: packing calls bin/setup, which would take it for the machine's and remove the one that
 * all clones of this user share.
 */
function pathOfMachine(): string {
  const folders = (process.env.PATH ?? '').split(delimiter)
  return folders.filter((folder) => !/\/hotlayer\/(?!tools-)/.test(folder)).join(delimiter)
}

function install(tarball: string, prefix: string, path: string, options: string[] = []): void {
  const quiet = ['--no-audit', '--no-fund', '--prefer-offline', '--loglevel=error']
  execFileSync('npm', ['install', '--global', '--prefix', prefix, ...quiet, ...options, tarball], {
    env: { ...process.env, PATH: path },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
}

function assertRuns(prefix: string): void {
  const run = (program: string, option: string) => {
    const { status, stdout, stderr } = spawnSync(join(prefix, 'bin', program), [option], { encoding: 'utf8' })
    assert.equal(status, 0, stderr)
    return stdout
  }
  assert.match(run('optimizer', '--version'), new RegExp(`${version}.*libdeflate`, 's'))
  assert.match(run('optimizer', '--help'), /optimizer optimize <source> <target>/)
  assert.match(run('notifier', '--version'), new RegExp(version))
}

/** A PATH of Node, npm and the shell that npm runs scripts with. */
function pathWithoutCompiler(folder: string): string {
  mkdirSync(folder)
  for (const command of ['node', 'npm', 'sh', 'env'])
    symlinkSync(realpathSync(find(command)), join(folder, command))
  return folder
}

function find(command: string): string {
  for (const folder of (process.env.PATH ?? '').split(delimiter)) {
    try {
      accessSync(join(folder, command), constants.X_OK)
      return join(folder, command)
    } catch {
      // Further on.
    }
  }
  throw new Error(`${command} is not on PATH`)
}

/** Files below a folder that contain a text. */
function grep(text: string, folder: string): string[] {
  const { stdout } = spawnSync('grep', ['-rlF', '-e', text, folder], { encoding: 'utf8' })
  return stdout.split('\n').filter((line) => line !== '')
}
