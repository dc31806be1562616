/**
 * The tests on what users have beside what this machine has: `npm run test:matrix`.
 *
 *   node dist/test/matrix.js [--containerd SUITE]... [--cgroup-v2] [--node MAJOR]... [--arm64] [PART-OF-A-PATH]
 *
 * The root tests run against the containerd and runc of each Debian SUITE (`machine`: those on PATH), and once where
 * version 2 of control groups is all there is; the build and the unit tests with each MAJOR version of Node, of npm's
 * package of it, in a copy of the sources. Without options all of them; --arm64 alone is by name: the build for it, conversions
 * compared, and the unit tests under an emulator, which takes hours. stdout is a table for README with what failed and
 * what was skipped, and why; stderr what the tests say. Status 1: something failed.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { release, tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { cacheFolder } from '../bench/sample/sample-image.ts'
import { Arm64Copy, arm64Tools } from './arm64.ts'
import { type MatrixOutcome, type MatrixRow, matrixText, outcomeOf } from './matrix-report.ts'

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
const OWN_NODE = `Node ${process.versions.node}`

const { values, positionals } = parseArgs({
  options: {
    containerd: { type: 'string', multiple: true },
    'cgroup-v2': { type: 'boolean' },
    node: { type: 'string', multiple: true },
    arm64: { type: 'boolean' },
  },
  allowPositionals: true,
})
const everything = Object.keys(values).length === 0
const suites = values.containerd ?? (everything ? SUITES : [])
const majors = values.node ?? (everything ? NODE_MAJORS : [])
const rows: MatrixRow[] = []
/** What runs at the moment; an interruption from a terminal reaches it as well, any other does not. */
let running: ChildProcess | null = null
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => {
    running?.kill('SIGTERM')
    end()
  })
for (const suite of suites) await note(withContainerd(suite))
if (everything || values['cgroup-v2'] === true) await note(withCgroupV2())
for (const major of majors) await note(withNode(major))
if (values.arm64 === true) await withArm64()
end()

/** Each row is said as it comes: it takes hours, and may be interrupted. */
async function note(running: Promise<MatrixRow>): Promise<void> {
  const row = await running
  rows.push(row)
  const { passed, failed, skipped } = row.outcome
  process.stderr.write(
    `\n=== ${row.what}, ${row.where}: ${passed} passed, ${failed.length} failed, ${skipped.length} skipped\n\n`,
  )
}

function end(): never {
  process.stdout.write(matrixText(rows))
  process.exit(rows.length > 0 && rows.every(({ outcome }) => outcome.failed.length === 0) ? 0 : 1)
}

async function withContainerd(suite: string): Promise<MatrixRow> {
  const what = 'the root tests'
  const folder = join(cacheFolder(), `containerd-${suite}`)
  if (suite !== 'machine') {
    const { status } = spawnSync(join(ROOT, 'bin', 'later-containerd'), [suite, folder], {
      stdio: ['ignore', 'inherit', 'inherit'],
    })
    if (status !== 0) return failedRow(what, `containerd of ${suite}`, 'it is not to be had (see above)')
  }
  const environment: Record<string, string> = suite === 'machine' ? {} : { PATH: before(join(folder, 'bin')) }
  const versions = [
    firstVersion('containerd', ['--version'], environment),
    firstVersion('runc', ['--version'], environment),
  ]
  const outcome = await runTests(ROOT, process.execPath, ['root', ...positionals], environment)
  return { what, where: machine([...versions, OWN_NODE]), outcome }
}

/**
 * In a mount namespace where /sys/fs/cgroup is the one hierarchy of version 2. On a machine that has the controllers in
 * hierarchies of version 1 they stay there: what sets a limit is skipped then, and says why.
 */
async function withCgroupV2(): Promise<MatrixRow> {
  const versions = [firstVersion('containerd', ['--version'], {}), firstVersion('runc', ['--version'], {})]
  const outcome = await runTests(ROOT, process.execPath, ['root', ...positionals], {}, CGROUP_V2)
  return { what: 'the root tests, cgroup v2 alone', where: machine([...versions, OWN_NODE]), outcome }
}

/** Builds everything anew, in a copy: this tree stays as it is. */
async function withNode(major: string): Promise<MatrixRow> {
  const node = nodeOf(major)
  if (node === null)
    return failedRow('the build', machine([`Node ${major}`]), 'npm has no such package (see above)')
  const where = machine([`Node ${firstVersion(node, ['--version'], {}).replace(/^\S+ v/, '')}`])
  const folder = mkdtempSync(join(tmpdir(), 'hotlayer-node-'))
  const copy = join(folder, 'tree')
  const remove = () => rmSync(folder, { recursive: true, force: true })
  // An interruption ends this process where it is.
  process.once('exit', remove)
  try {
    chmodSync(folder, 0o755)
    mkdirSync(copy)
    for (const file of sourceFiles()) cpSync(join(ROOT, file), join(copy, file))
    symlinkSync(join(ROOT, 'node_modules'), join(copy, 'node_modules'))
    // The cache may be in a home that tests of other users cannot enter.
    const ownNode = join(folder, 'node', 'node')
    cpSync(node, ownNode)
    const environment = { PATH: before(dirname(ownNode)) }
    const { status } = spawnSync(join(copy, 'bin', 'setup'), {
      stdio: ['ignore', 2, 'inherit'],
      env: { ...process.env, ...environment },
    })
    if (status !== 0) return failedRow('the build', where, 'bin/setup (see above)')
    const outcome = await runTests(copy, ownNode, ['unit', ...positionals], environment)
    return { what: 'the build and the unit tests', where, outcome }
  } finally {
    process.off('exit', remove)
    remove()
  }
}

/** On this machine's kernel, of which the row tells; what is emulated is the processor. */
async function withArm64(): Promise<void> {
  const where = 'arm64 under emulation'
  const tools = arm64Tools(ROOT)
  if (typeof tools === 'string') {
    const outcome = { passed: 0, failed: [], skipped: [tools] }
    return await note(Promise.resolve({ what: 'the build and the unit tests', where, outcome }))
  }
  const emulated = `${where}, Linux ${kernel()}: ${firstVersion(tools.node, ['--version'], {}).replace(/^\S+ v/, 'Node ')}`
  const copy = new Arm64Copy(ROOT, tools)
  process.once('exit', () => copy.remove())
  try {
    if (!copy.build(sourceFiles()))
      return await note(Promise.resolve(failedRow('the build', emulated, 'it did not end (see above)')))
    const outcome = copy.compareConversions()
    const what = "conversions, byte for byte as this machine's"
    await note(Promise.resolve({ what, where: emulated, outcome }))
    const tests = runTests(copy.folder, tools.node, ['unit', ...positionals], {
      PATH: before(tools.bin),
      TEST_FILE_MINUTES: '120',
    })
    await note(tests.then((outcome) => ({ what: 'the unit tests', where: emulated, outcome })))
  } finally {
    copy.remove()
  }
}

function sourceFiles(): string[] {
  const { stdout } = spawnSync('git', ['ls-files', '-z'], { cwd: ROOT, encoding: 'utf8' })
  return stdout.split('\0').filter((file) => file !== '' && existsSync(join(ROOT, file)))
}

/** Path of the program; npm's package of it is fetched where it is not there yet. null: it is not to be had. */
function nodeOf(major: string): string | null {
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
  return status === 0 ? program : null
}

async function runTests(
  folder: string,
  node: string,
  args: string[],
  environment: Record<string, string>,
  wrapper: string[] = [],
): Promise<MatrixOutcome> {
  const [command, ...words] = [...wrapper, node, join(folder, 'dist', 'test', 'run.js'), ...args]
  const child = spawn(command as string, words, {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, ...environment },
  })
  running = child
  let said = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    process.stderr.write(text)
    said += text
  })
  const [status] = await once(child, 'close')
  return outcomeOf(said, status as number | null)
}

function failedRow(what: string, where: string, why: string): MatrixRow {
  return { what, where, outcome: { passed: 0, failed: [why], skipped: [] } }
}

/** As README has it: what the machine is, and what of it counts for these tests. */
function machine(versions: readonly string[]): string {
  const architecture = { x64: 'x86-64' }[process.arch as string] ?? process.arch
  return `${architecture}, Linux ${kernel()}: ${versions.join(', ')}`
}

function kernel(): string {
  return release().split('.').slice(0, 2).join('.')
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
