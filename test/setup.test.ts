/** bin/setup where nothing is to be installed, and what it says where it cannot help itself. */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { after, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'

const SETUP = fileURLToPath(new URL('../../bin/setup', import.meta.url))

function setup(args: string[], environment: Record<string, string> = {}) {
  return spawnSync(SETUP, args, { encoding: 'utf8', env: { ...process.env, ...environment } })
}

describe('bin/setup on a machine that lacks nothing', () => {
  it('says nothing, for nothing is left to do, and runs the command with its arguments', () => {
    const { status, stdout, stderr } = setup(['--', 'sh', '-c', 'echo "$2"; exit 7', 'sh', 'a b', 'c d'])
    assert.deepEqual({ status, stdout }, { status: 7, stdout: 'c d\n' })
    // One of another clone may be at work: the cache folder is theirs, too.
    assert.match(stderr, /^(?:setup: another bin\/setup is running: waiting for it\n)*$/)
  })

  it('waits for another one that is at work', async () => {
    const lock = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'hotlayer', 'setup.lock')
    const other = spawn('flock', [lock, 'sh', '-c', 'echo held; cat'], { stdio: ['pipe', 'pipe', 'inherit'] })
    await once(other.stdout, 'data')
    const waiting = spawn(SETUP, [], { stdio: ['ignore', 'inherit', 'pipe'] })
    const [said] = (await once(waiting.stderr, 'data')) as [Buffer]
    assert.match(said.toString(), /another bin\/setup is running: waiting for it/)
    other.stdin.end()
    assert.equal(await statusOf(waiting), 0)
  })

  it('prints an environment that a shell can take over', () => {
    const { stdout } = setup(['--print-env'])
    const shell = spawnSync('sh', ['-c', `${stdout}\necho "$PATH"`], {
      encoding: 'utf8',
      env: { PATH: '/usr/bin:/bin' },
    })
    assert.match(shell.stdout, /^\/\S*\/hotlayer\/tools-\d+-\w+\/bin:/)
  })

  it('refuses an option that it does not know', () => {
    const { status, stderr } = setup(['--tests'])
    assert.equal(status, 2)
    assert.match(stderr, /unknown option --tests; usage: /)
  })

  it('explains itself', () => {
    const { status, stdout } = setup(['--help'])
    assert.equal(status, 0)
    assert.match(stdout, /bin\/setup \[--test\]/)
    assert.doesNotMatch(stdout, /set -/)
  })
})

describe('bin/setup on a machine that it cannot help says in one sentence what to do', () => {
  let folder: string
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'optimizer-setup-'))
  })
  after(() => rmSync(folder, { recursive: true, force: true }))

  /** The machine's commands but for some, and some of the test's own in their place. */
  function machine(
    name: string,
    without: string[],
    scripts: Record<string, string> = {},
  ): Record<string, string> {
    const path = mkdtempSync(join(folder, `${name}-`))
    const left = [...without, ...Object.keys(scripts)]
    for (const source of ['/usr/bin', '/bin'])
      for (const command of readdirSync(source))
        if (!left.includes(command)) trySymlink(join(source, command), join(path, command))
    for (const [command, script] of Object.entries(scripts)) {
      writeFileSync(join(path, command), `#!/bin/sh\n${script}\n`)
      chmodSync(join(path, command), 0o755)
    }
    return { PATH: path, XDG_CACHE_HOME: join(folder, 'cache') }
  }

  const cases: [string, () => Record<string, string>, RegExp][] = [
    [
      'without Node',
      () => machine('no-node', ['node']),
      /Node.js 20 or later is needed and there is no node on PATH/,
    ],
    [
      'with an old Node',
      () => machine('old-node', [], { node: 'echo 18 true /usr/bin/node' }),
      /needed, and \S+\/node is version 18: install/,
    ],
    [
      'without npm',
      () => machine('no-npm', ['npm'], { node: 'echo 20 true /usr/bin/node' }),
      /npm is needed and not on PATH/,
    ],
    [
      'without a compiler and without apt',
      () => machine('no-apt', ['g++', 'apt-get'], { node: 'echo 20 true /usr/bin/node', npm: '' }),
      /no apt: install g\+\+ \(Debian's names\)/,
    ],
    [
      'without a compiler and without root',
      () =>
        machine('no-root', ['g++', 'make'], {
          node: 'echo 20 true /usr/bin/node',
          npm: '',
          'apt-get': '',
          id: 'echo 1000',
        }),
      /run: sudo apt-get install --no-install-recommends g\+\+ make$/,
    ],
    [
      'without a compiler and without Debian',
      () =>
        machine('offline', ['g++'], {
          node: 'echo 20 true /usr/bin/node',
          npm: '',
          'apt-get': 'echo no route >&2; exit 100',
          id: 'echo 0',
        }),
      /could not install g\+\+ \(see above\): connect/,
    ],
  ]
  for (const [name, environment, expected] of cases)
    it(name, () => {
      const { status, stdout, stderr } = setup(['--', 'echo', 'not reached'], environment())
      assert.equal(status, 3, stderr)
      assert.equal(stdout, '')
      assert.match(stderr.trim().split('\n').at(-1) ?? '', expected)
    })

  it('that is neither x86-64 nor arm64, where the tests are asked for; anything else goes on', () => {
    // bash takes it from the environment where it is there.
    const odd = { ...machine('odd', ['node']), HOSTTYPE: 'riscv64' }
    const tests = setup(['--test'], odd)
    assert.equal(tests.status, 3, tests.stderr)
    assert.match(
      tests.stderr,
      /^setup: the tests are for x86-64 and arm64, and this machine is riscv64: .+\n$/,
    )
    const start = setup([], odd)
    assert.match(
      start.stderr,
      /^setup: this machine is riscv64: only .+ were tried\nsetup: Node.js 20 or later .+\n$/,
    )
  })

  it('and asks apt to remove nothing, recommend nothing and restart nothing', () => {
    const log = join(folder, 'apt.log')
    const script = `echo "$NEEDRESTART_SUSPEND $*" >>${log}; exit 100`
    setup(
      [],
      machine('log', ['g++'], {
        node: 'echo 20 true /usr/bin/node',
        npm: '',
        'apt-get': script,
        id: 'echo 0',
      }),
    )
    const calls = spawnSync('cat', [log], { encoding: 'utf8' }).stdout.trim().split('\n')
    const installs = calls.filter((call) => call.endsWith(' install g++'))
    assert.equal(installs.length, 2, 'once before and once after apt-get update')
    for (const call of installs) assert.match(call, /^1 (?=.*--no-install-recommends)(?=.*--no-remove)/)
  })
})

function trySymlink(target: string, path: string): void {
  try {
    symlinkSync(target, path)
  } catch {
    // /bin is /usr/bin on a merged system.
  }
}

async function statusOf(child: ChildProcess): Promise<number | null> {
  if (child.stderr) await text(child.stderr)
  return child.exitCode ?? ((await once(child, 'exit'))[0] as number | null)
}
