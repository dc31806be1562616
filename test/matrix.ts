/**
 * The tests on what users have beside what this machine has: `npm run test:matrix`.
 *
 *   node dist/test/matrix.js [--containerd SUITE]... [--cgroup-v2] [--node MAJOR]... [PART-OF-A-PATH]
 *
 * The root tests run against the containerd and runc of each Debian SUITE (`machine`: those on PATH), and once where
 * version 2 of control groups is all there is; the build and the unit tests with each MAJOR version of Node, of npm's
 * package of it, in a copy of the sources. Without options all of them. stdout is a table for people, stderr what the tests say. Status 1: something failed.
 */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { cacheFolder } from '../bench/sample/sample-image.ts'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
/** Debian 12's and 13's, and the next one's. */
const SUITES = ['machine', 'trixie', 'forky']
/** A command that runs the words behind it. */
const CGROUP_V2 = [
  ...['unshare', '--mount', '--propagation', 'private', 'sh', '-ec'],
  'umount --recursive /sys/fs/cgroup; mount -t cgroup2 cgroup2 /sys/fs/cgroup; exec "$@"',
  'sh',
]
const NODE_MAJORS = ['20', '22', '24', '26']

interface Row {
  what: string
  versions: string
  result: string
  ok: boolean
}

const { values, positionals } = parseArgs({
  options: {
    containerd: { type: 'string', multiple: true },
    'cgroup-v2': { type: 'boolean' },
    node: { type: 'string', multiple: true },
  },
  allowPositionals: true,
})
const everything = Object.keys(values).length === 0
const suites = values.containerd ?? (everything ? SUITES : [])
const majors = values.node ?? (everything ? NODE_MAJORS : [])
const rows: Row[] = []
for (const suite of suites) rows.push(await withContainerd(suite))
if (everything || values['cgroup-v2'] === true) rows.push(await withCgroupV2())
for (const major of majors) rows.push(await withNode(major))
process.stdout.write('| what ran | versions | result |\n| --- | --- | --- |\n')
for (const { what, versions, result } of rows) process.stdout.write(`| ${what} | ${versions} | ${result} |\n`)
process.exitCode = rows.every(({ ok }) => ok) ? 0 : 1

async function withContainerd(suite: string): Promise<Row> {
  const what = 'the root tests'
  const folder = join(cacheFolder(), `containerd-${suite}`)
  if (suite !== 'machine') {
    const { status } = spawnSync(join(ROOT, 'bin', 'later-containerd'), [suite, folder], {
      stdio: ['ignore', 'inherit', 'inherit'],
    })
    if (status !== 0) return { what, versions: `containerd of ${suite}`, result: 'not to be had', ok: false }
  }
  const environment: Record<string, string> = suite === 'machine' ? {} : { PATH: before(join(folder, 'bin')) }
  const versions = [
    firstVersion('containerd', ['--version'], environment),
    firstVersion('runc', ['--version'], environment),
  ]
  const { result, ok } = await runTests(ROOT, process.execPath, ['root', ...positionals], environment)
  return { what, versions: versions.join(', '), result, ok }
}

/**
 * In a mount namespace where /sys/fs/cgroup is the one hierarchy of version 2. On a machine that has the controllers in
 * hierarchies of version 1 they stay there: what sets a limit is skipped then, and says why.
 */
async function withCgroupV2(): Promise<Row> {
  const versions = [firstVersion('containerd', ['--version'], {}), firstVersion('runc', ['--version'], {})]
  const { result, ok } = await runTests(ROOT, process.execPath, ['root', ...positionals], {}, CGROUP_V2)
  return { what: 'the root tests, cgroup v2 alone', versions: versions.join(', '), result, ok }
}

/** Builds everything anew, in a copy: this tree stays as it is. */
async function withNode(major: string): Promise<Row> {
  const node = nodeOf(major)
  const versions = `Node ${firstVersion(node, ['--version'], {}).replace(/^\S+ v/, '')}`
  const copy = mkdtempSync(join(tmpdir(), 'hotlayer-node-'))
  try {
    for (const file of sourceFiles()) cpSync(join(ROOT, file), join(copy, file))
    symlinkSync(join(ROOT, 'node_modules'), join(copy, 'node_modules'))
    const environment = { PATH: before(dirname(node)) }
    for (const args of [
      ['native/install.mjs', '--build'],
      ['node_modules/typescript/bin/tsc', '-p', '.'],
    ]) {
      const { status } = spawnSync(node, args, {
        cwd: copy,
        stdio: ['ignore', 2, 'inherit'],
        env: { ...process.env, ...environment },
      })
      if (status !== 0)
        return { what: 'the build', versions, result: `failed: node ${args.join(' ')}`, ok: false }
    }
    const { result, ok } = await runTests(copy, node, ['unit', ...positionals], environment)
    return { what: 'the build and the unit tests', versions, result, ok }
  } finally {
    rmSync(copy, { recursive: true, force: true })
  }
}

function sourceFiles(): string[] {
  const { stdout } = spawnSync('git', ['ls-files', '-z'], { cwd: ROOT, encoding: 'utf8' })
  return stdout.split('\0').filter((file) => file !== '' && existsSync(join(ROOT, file)))
}

/** Path of the program; npm's package of it is fetched where it is not there yet. */
function nodeOf(major: string): string {
  const name = `node-linux-${process.arch}`
  const folder = join(cacheFolder(), `node-${major}`)
  const program = join(folder, 'node_modules', name, 'bin', 'node')
  if (existsSync(program)) return program
  mkdirSync(folder, { recursive: true })
  const args = [
    'install',
    '--silent',
    '--no-save',
    '--no-package-lock',
    '--prefix',
    folder,
    `${name}@${major}`,
  ]
  const { status } = spawnSync('npm', args, { stdio: ['ignore', 2, 'inherit'] })
  if (status !== 0) throw new Error(`npm has no ${name}@${major} (see above)`)
  return program
}

async function runTests(
  folder: string,
  node: string,
  args: string[],
  environment: Record<string, string>,
  wrapper: string[] = [],
): Promise<{ result: string; ok: boolean }> {
  const [command, ...words] = [...wrapper, node, join(folder, 'dist', 'test', 'run.js'), ...args]
  const child = spawn(command as string, words, {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, ...environment },
  })
  let said = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    process.stderr.write(text)
    said += text
  })
  const [status] = await once(child, 'close')
  const [result] = said.match(/^\d+ passed, \d+ failed, \d+ skipped$/m) ?? ['did not end']
  return { result, ok: status === 0 }
}

function before(folder: string): string {
  return `${folder}${delimiter}${process.env.PATH ?? ''}`
}

/** `containerd 1.7.24`, of the first line of what the program says. */
function firstVersion(program: string, args: string[], environment: Record<string, string>): string {
  const { stdout } = spawnSync(program, args, { encoding: 'utf8', env: { ...process.env, ...environment } })
  const version = /v?\d+\.\d+[^\s~+]*/.exec(stdout ?? '')?.[0] ?? 'of an unknown version'
  return `${program.split('/').at(-1)} ${version}`
}
