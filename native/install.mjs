/**
 * npm's install script: makes sure that the addon and the launcher are there.
 *
 * node native/install.mjs              a prebuild that loads is enough, else build from source
 * node native/install.mjs --build      build from source
 * node native/install.mjs --prebuild   build, then put stripped copies into prebuilds/linux-<arch>/
 *
 * Nothing is downloaded when the running Node's headers are installed beside it; otherwise node-gyp fetches
 * them, and this script says so first.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, realpathSync } from 'node:fs'
import { createRequire } from 'node:module'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const NATIVE = dirname(fileURLToPath(import.meta.url))
const ROOT = dirname(NATIVE)
const RELEASE = join(NATIVE, 'build', 'Release')
const PREBUILD = join(ROOT, 'prebuilds', `linux-${process.arch}`)
const ARTEFACTS = ['addon.node', 'launcher']

/** Full path of a command in PATH, or undefined. */
function which(command) {
  for (const folder of (process.env.PATH ?? '').split(delimiter)) {
    const path = join(folder, command)
    if (folder !== '' && existsSync(path)) return path
  }
  return undefined
}

function fail(sentence) {
  console.error(`@hotlayer/optimizer: ${sentence}`)
  process.exit(1)
}

function loads(path) {
  try {
    createRequire(import.meta.url)(path)
    return true
  } catch {
    return false
  }
}

/** What the launcher ends with when it is started without arguments: it does start, then. */
const LAUNCHER_USAGE_STATUS = 82

function prebuildWorks() {
  const launcher = spawnSync(join(PREBUILD, 'launcher'), { stdio: 'ignore' })
  return launcher.status === LAUNCHER_USAGE_STATUS && loads(join(PREBUILD, 'addon.node'))
}

/** node-gyp.js: the one npm names, npm's own copy, Debian's. */
function findNodeGyp() {
  const npm = process.env.npm_execpath ?? which('npm')
  const npmRoots = [
    npm && dirname(dirname(realpathSync(npm))),
    join(dirname(dirname(process.execPath)), 'lib', 'node_modules', 'npm'),
  ]
  const candidates = [
    process.env.npm_config_node_gyp,
    ...npmRoots.filter(Boolean).map((root) => join(root, 'node_modules', 'node-gyp', 'bin', 'node-gyp.js')),
    '/usr/share/nodejs/node-gyp/bin/node-gyp.js',
    which('node-gyp'),
  ]
  return candidates.find((path) => path && existsSync(path))
}

/** Folder whose include/node holds Node's headers, or undefined. */
function findHeaders() {
  const prefixes = [process.env.npm_config_nodedir, dirname(dirname(realpathSync(process.execPath))), '/usr']
  return prefixes.find((prefix) => prefix && existsSync(join(prefix, 'include', 'node', 'node_api.h')))
}

function checkTools() {
  const missing = []
  if (!which('make')) missing.push('make')
  if (!which(process.env.CXX ?? 'g++') && !which('c++')) missing.push('g++')
  if (!which('python3') && !process.env.npm_config_python && !process.env.PYTHON) missing.push('python3')
  if (missing.length > 0) {
    fail(
      `cannot build the native addon: ${missing.join(', ')} not found; install them ` +
        `(Debian: apt-get install ${missing.join(' ')}) and run: npm run build:native`,
    )
  }
}

function build() {
  checkTools()
  const nodeGyp = findNodeGyp()
  if (!nodeGyp) fail('cannot build the native addon: node-gyp not found; it comes with npm, so install npm')
  const jobs = process.env.JOBS ?? 'max'
  const args = [nodeGyp, 'configure', 'build', '--directory', NATIVE, '--loglevel', 'warn', '--jobs', jobs]
  const headers = findHeaders()
  if (headers) args.push('--nodedir', headers)
  else {
    console.error(
      `@hotlayer/optimizer: no headers of Node ${process.version} beside ${process.execPath}: node-gyp downloads them`,
    )
  }
  // make prints a line per file; it matters only when something fails.
  const result = spawnSync(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'], encoding: 'utf8' })
  if (result.status !== 0) {
    process.stderr.write(result.stdout + result.stderr)
    fail('building the native addon failed, see above; run again: npm run build:native')
  }
  process.stderr.write(result.stderr)
  for (const name of ARTEFACTS) {
    if (!existsSync(join(RELEASE, name))) fail(`the build made no ${join(RELEASE, name)}`)
  }
}

function prebuild() {
  mkdirSync(PREBUILD, { recursive: true })
  for (const name of ARTEFACTS) {
    copyFileSync(join(RELEASE, name), join(PREBUILD, name))
    execFileSync('strip', [join(PREBUILD, name)])
  }
}

const flag = process.argv[2]
if (flag !== undefined && flag !== '--build' && flag !== '--prebuild') {
  fail(`usage: node native/install.mjs [--build | --prebuild], not ${flag}`)
}
if (flag !== undefined || !prebuildWorks()) build()
if (flag === '--prebuild') prebuild()
