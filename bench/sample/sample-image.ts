/**
 * Real images to try the optimizer on: layers made of Debian packages of the machine's own release and a web app
 * of ours. Built once, then kept in the cache folder; nothing in them is there to make a figure look good.
 */
import { createHash } from 'node:crypto'
import { copyFile, cp, mkdir, mkdtemp, readdir, readFile, rename, rm, stat, symlink } from 'node:fs/promises'
import { homedir } from 'node:os'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { systemCodeOf } from '../../shared/errors.ts'
import type { Log } from '../../shared/log.ts'
import { downloadPackages } from './debian-packages.ts'
import { setFolderTimes, setOwnTime, unpackPackages } from './layer-tree.ts'
import { type BuiltLayer, OciLayout } from './oci-layout.ts'

export type SampleKind = 'web' | 'large' | 'small' | 'interpreter' | 'compiler'

export interface SampleImage {
  /** The full name under which containerd imports it. */
  name: string
  /** An OCI image layout. */
  folder: string
  /** What each layer holds, the lowest first. */
  layerTitles: string[]
}

interface LayerRecipe {
  title: string
  packages: string[]
  /** Libraries, below their folder for the architecture, that a maintainer script would choose by a link beside. */
  alternatives?: string[]
}

interface Recipe {
  name: string
  layers: LayerRecipe[]
  /** Of the image's config. */
  run: { Entrypoint: string[]; Cmd?: string[]; WorkingDir: string }
}

// What a debootstrap of a release holds, near enough: the essential packages and the libraries most programs load.
const BASE = {
  title: 'Debian',
  packages:
    `base-files base-passwd bash bsdutils coreutils dash debianutils diffutils findutils grep gzip hostname
    libc-bin login mawk mount ncurses-base ncurses-bin passwd perl-base sed sysvinit-utils tar util-linux apt
    ca-certificates netbase openssl tzdata libstdc++6 zlib1g libexpat1`.split(/\s+/),
}
const PYTHON = { title: 'Python', packages: ['python3'] }
const COMPILERS = { title: 'compilers', packages: ['g++', 'make', 'cmake', 'git'] }
const SCIENCE = { title: 'data science', packages: ['python3-numpy', 'python3-scipy', 'python3-pandas'] }
const SCIENCE_THAT_RUNS = { ...SCIENCE, alternatives: ['blas/libblas.so.3', 'lapack/liblapack.so.3'] }
const APP = { title: 'web app', packages: ['python3-flask', 'python3-waitress'] }
const SERVE = { Entrypoint: ['python3'], Cmd: ['/srv/app/app.py'], WorkingDir: '/srv/app' }

const RECIPES: Record<SampleKind, Recipe> = {
  web: { name: 'docker.io/library/elements:latest', layers: [BASE, PYTHON, APP], run: SERVE },
  // The same app in an image as people build them before they learn of slim ones.
  large: {
    name: 'docker.io/library/elements-workbench:latest',
    layers: [BASE, PYTHON, COMPILERS, SCIENCE, APP],
    run: SERVE,
  },
  // Those below run to an end by themselves and say one line.
  small: {
    name: 'docker.io/library/elements-small:latest',
    layers: [BASE, PYTHON, APP],
    run: {
      Entrypoint: ['python3', '-c'],
      Cmd: ['from app import app; print(app.test_client().get("/").status)'],
      WorkingDir: '/srv/app',
    },
  },
  interpreter: {
    name: 'docker.io/library/elements-once:latest',
    layers: [BASE, PYTHON, SCIENCE_THAT_RUNS, APP],
    run: {
      Entrypoint: ['python3', '-c'],
      Cmd: ['import pandas; from app import app; print(app.test_client().get("/").status)'],
      WorkingDir: '/srv/app',
    },
  },
  compiler: {
    name: 'docker.io/library/compiler:latest',
    layers: [BASE, COMPILERS],
    run: {
      Entrypoint: ['sh', '-c'],
      Cmd: [
        "printf '%s\\n' '#include <iostream>' 'int main() { std::cout << 42 << std::endl; }' >a.cc && g++ -O2 a.cc && ./a.out",
      ],
      WorkingDir: '/tmp',
    },
  },
}

/** The app's folder among the sources: it is no TypeScript, so no build copies it. */
const APP_FOLDER = fileURLToPath(new URL('../../../bench/sample/app', import.meta.url))
const DAY_MS = 24 * 3600 * 1000
export const CREATED = new Date(Date.UTC(2024, 0, 1)).toISOString()

/**
 * The sample image of a kind, from the cache or built now: seconds to a minute, and one download.
 * @throws {PreconditionError} when Debian's packages cannot be had
 */
export async function buildSampleImage(options: {
  kind: SampleKind
  log: Log
  signal: AbortSignal
}): Promise<SampleImage> {
  const recipe = RECIPES[options.kind]
  const cache = join(cacheFolder(), 'sample')
  const folder = join(cache, `${options.kind}-${await fingerprint(recipe)}`)
  const image = { name: recipe.name, folder, layerTitles: recipe.layers.map((layer) => layer.title) }
  if (await exists(folder)) return image
  await mkdir(cache, { recursive: true })
  const work = await mkdtemp(join(cache, 'new-'))
  try {
    await build(recipe, work, options)
    await removeOlder(cache, options.kind, folder)
    // Whole or not there. Somebody else may have been faster: then theirs is as good.
    await rename(join(work, 'layout'), folder).catch((error: unknown) => {
      if (systemCodeOf(error) !== 'ENOTEMPTY') throw error
    })
  } finally {
    await rm(work, { recursive: true, force: true })
  }
  return image
}

async function build(
  recipe: Recipe,
  work: string,
  context: { log: Log; signal: AbortSignal },
): Promise<void> {
  const { log, signal } = context
  log.info(`making the sample image ${recipe.name}: downloading Debian packages`)
  const sets = recipe.layers.map((layer) => layer.packages)
  const archives = await downloadPackages(sets, join(work, 'archives'), context)
  const layout = await OciLayout.create(join(work, 'layout'), signal)
  const layers: BuiltLayer[] = []
  for (const [index, { title, alternatives = [] }] of recipe.layers.entries()) {
    const packages = archives[index] ?? []
    log.info(`making the sample image: layer "${title}" of ${packages.length} packages`)
    const tree = join(work, `tree-${index}`)
    await mkdir(tree)
    await unpackPackages(packages, tree, { isLowest: index === 0, signal })
    await addAlternatives(tree, alternatives)
    if (index === 0) await addAccounts(tree)
    if (recipe.layers[index] === APP) await addApp(tree)
    await setFolderTimes(tree)
    layers.push(await layout.addLayer(tree))
    await rm(tree, { recursive: true })
  }
  await layout.finish(recipe.name, layers, {
    architecture: process.arch === 'x64' ? 'amd64' : process.arch,
    created: CREATED,
    config: {
      User: 'www-data',
      Env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', 'PYTHONUNBUFFERED=1'],
      ...recipe.run,
      ExposedPorts: { '8080/tcp': {} },
    },
    history: recipe.layers.map(({ title }) => ({ created: CREATED, created_by: title })),
  })
}

/** base-passwd's own master files, which its maintainer script would copy. */
async function addAccounts(tree: string): Promise<void> {
  for (const name of ['passwd', 'group']) {
    const path = join(tree, 'etc', name)
    await copyFile(join(tree, 'usr', 'share', 'base-passwd', `${name}.master`), path)
    await setOwnTime(path)
  }
}

/** As update-alternatives(1) would, but without its middle link in /etc. */
async function addAlternatives(tree: string, paths: readonly string[]): Promise<void> {
  if (paths.length === 0) return
  const libraries = join(tree, 'usr', 'lib')
  const [folder = ''] = (await readdir(libraries)).filter((name) => name.endsWith('-linux-gnu'))
  for (const path of paths) {
    const link = join(libraries, folder, basename(path))
    await stat(join(libraries, folder, path))
    await symlink(path, link)
    await setOwnTime(link)
  }
}

async function addApp(tree: string): Promise<void> {
  const app = join(tree, 'srv', 'app')
  await cp(APP_FOLDER, app, { recursive: true })
  for (const path of await readdir(app, { recursive: true })) await setOwnTime(join(app, path))
}

/** Changes with anything that the image is made of, but for the packages' versions. */
async function fingerprint(recipe: Recipe): Promise<string> {
  const hash = createHash('sha256').update(JSON.stringify(recipe)).update(process.arch)
  for (const path of (await readdir(APP_FOLDER, { recursive: true })).sort()) {
    const bytes = await readFile(join(APP_FOLDER, path)).catch(() => '')
    hash.update(path).update(bytes)
  }
  return hash.digest('hex').slice(0, 12)
}

export function cacheFolder(): string {
  return join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'hotlayer')
}

/** What nobody has made a day ago or later: another clone may be reading its own. */
async function removeOlder(cache: string, kind: SampleKind, current: string): Promise<void> {
  for (const folder of (await readdir(cache)).map((name) => join(cache, name))) {
    if (!basename(folder).startsWith(`${kind}-`) || folder === current) continue
    const { mtimeMs = Date.now() } = await stat(folder).catch(() => ({}) as { mtimeMs?: number })
    if (Date.now() - mtimeMs > DAY_MS) await rm(folder, { recursive: true, force: true })
  }
}

async function exists(path: string): Promise<boolean> {
  return await stat(path).then(
    () => true,
    () => false,
  )
}
