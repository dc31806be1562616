/**
 * `npm run test:asan`: the addon built once more, with address, undefined behaviour and leak sanitizers, and its tests
 * run on it. In a folder of its own: the ordinary build stays.
 *
 * Node itself leaves memory behind at its end, on purpose. So leaks are looked through: one counts when the addon has
 * allocated it.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const FOLDER = join(ROOT, '.cache', 'asan')
const REPORTS = join(FOLDER, 'reports')
const SANITIZERS = '-fsanitize=address,undefined'
/** Frames from the allocation on in which the addon must be to be its cause. */
const FRAMES_LOOKED_AT = 8

/** Sources and compiled tests, copied: Node finds the addon beside the file that it really runs. */
function prepare(): void {
  rmSync(FOLDER, { recursive: true, force: true })
  mkdirSync(REPORTS, { recursive: true })
  const isWanted = (path: string) => !path.startsWith(join(ROOT, 'native', 'build'))
  for (const name of ['dist', 'native', 'test', 'package.json'])
    cpSync(join(ROOT, name), join(FOLDER, name), { recursive: true, filter: isWanted })
  symlinkSync(join(ROOT, 'node_modules'), join(FOLDER, 'node_modules'))
}

function build(): void {
  const flags = `${SANITIZERS} -fno-sanitize-recover=all -fno-omit-frame-pointer -g -O1`
  execFileSync(process.execPath, [join(FOLDER, 'native', 'install.mjs'), '--build'], {
    cwd: FOLDER,
    env: { ...process.env, CXXFLAGS: flags, LDFLAGS: SANITIZERS },
    stdio: 'inherit',
  })
}

/** The addon's own tests, with a search for leaks at the end of each process. */
function runOwnTests(): boolean {
  const folder = join(FOLDER, 'dist', 'test', 'native')
  const files = readdirSync(folder).filter((name) => name.endsWith('.test.js'))
  return runTests(
    files.map((name) => join(folder, name)),
    { leaks: true },
  )
}

/** Notifiers that read real events, which needs root. The search would keep them longer than the optimizer waits. */
function runNotifiers(): boolean {
  return runTests([join(FOLDER, 'dist', 'test', 'root', 'notifier-coverage.test.js')], { leaks: false })
}

function runTests(files: string[], { leaks }: { leaks: boolean }): boolean {
  const library = execFileSync('g++', ['-print-file-name=libasan.so'], { encoding: 'utf8' }).trim()
  const { status } = spawnSync(process.execPath, ['--test', ...files], {
    cwd: FOLDER,
    env: {
      ...process.env,
      LD_PRELOAD: library,
      ASAN_OPTIONS: `log_path=${join(REPORTS, 'process')}:detect_leaks=${leaks ? 1 : 0}`,
      UBSAN_OPTIONS: 'print_stacktrace=1',
      // Leaks are judged below: a compiler that the tests start has some, too.
      LSAN_OPTIONS: 'exitcode=0',
    },
    stdio: 'inherit',
  })
  return status === 0
}

/** What the sanitizers wrote: errors whole, of the leaks those of the addon. */
function findings(): string[] {
  return readdirSync(REPORTS).flatMap((name) => {
    const blocks = readFileSync(join(REPORTS, name), 'utf8').split(/\n\n(?=Direct leak|Indirect leak)/)
    return blocks.filter((block) => {
      if (!/^(Direct|Indirect) leak/.test(block)) return /ERROR: AddressSanitizer|runtime error/.test(block)
      return block
        .split('\n')
        .slice(0, FRAMES_LOOKED_AT)
        .some((line) => line.includes('addon.node'))
    })
  })
}

prepare()
build()
const passed = [runOwnTests(), runNotifiers()].every((good) => good)
const found = findings()
for (const text of found) console.log(text)
console.log(`${readdirSync(REPORTS).length} reports looked through, ${found.length} findings`)
process.exitCode = passed && found.length === 0 ? 0 : 1
