/** What is run while somebody watches: what lies in its root, its command, and which files it opens. */
import { execFileSync } from 'node:child_process'
import { copyFileSync, mkdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { PreconditionError } from '../../shared/errors.ts'
import { buildProgram } from './programs.ts'

export const WORKLOAD_IDS = ['tree', 'hot', 'storm', 'python'] as const
export type WorkloadId = (typeof WORKLOAD_IDS)[number]

export interface Workload {
  id: WorkloadId
  title: string
  /** Whether the machine's own root lies below what `build` makes. */
  onMachineRoot: boolean
  /** Writes the layer. */
  build(layer: string): void
  command: string[]
  /** Paths of the files that it opens, by what it has written to stdout. */
  opened(output: string): string[]
}

const FILES_PER_FOLDER = 1000
const FILE_BYTES = 500
/** Where the programs and the files of the C workloads are, inside the root. */
const PROGRAM = '/workload'
const FOLDER = '/files'

/** @param scale above 0, at most 1: smaller for a quick look @throws {PreconditionError} PYTHON_MISSING */
export function workload(id: WorkloadId, scale: number): Workload {
  const some = (number: number) => Math.max(2, Math.round(number * scale))
  switch (id) {
    case 'tree':
      return reading(id, some(40_000), 1)
    case 'hot':
      return reading(id, some(500), some(200))
    case 'storm':
      return storm({ processes: 4, runs: some(60), programs: 8, files: 25 })
    case 'python':
      return python()
  }
}

function reading(id: WorkloadId, count: number, times: number): Workload {
  return {
    id,
    title: `${count} files, each read ${times === 1 ? 'once' : `${times} times`}`,
    onMachineRoot: false,
    build(layer) {
      writeFiles(layer, count)
    },
    command: [PROGRAM, 'read', FOLDER, '0', String(count), String(times)],
    opened: () => [PROGRAM, ...filePaths(count)],
  }
}

function storm(sizes: { processes: number; runs: number; programs: number; files: number }): Workload {
  const { processes, runs, programs, files } = sizes
  const programPaths = Array.from({ length: programs }, (_, number) => `${FOLDER}/program-${number}`)
  const count = processes * runs * files
  return {
    id: 'storm',
    title: `${processes} processes execute ${runs} programs each, which read ${files} files each`,
    onMachineRoot: false,
    build(layer) {
      writeFiles(layer, count)
      for (const path of programPaths) copyFileSync(buildProgram('workload'), join(layer, path))
    },
    command: [PROGRAM, 'storm', FOLDER, ...[processes, runs, programs, files].map(String)],
    opened: () => [PROGRAM, ...programPaths.slice(0, processes * runs), ...filePaths(count)],
  }
}

function writeFiles(layer: string, count: number): void {
  copyFileSync(buildProgram('workload'), join(layer, PROGRAM))
  mkdirSync(join(layer, FOLDER), { recursive: true })
  for (const [number, path] of filePaths(count).entries()) {
    if (number % FILES_PER_FOLDER === 0) mkdirSync(join(layer, path, '..'))
    writeFileSync(join(layer, path), `${number}`.padEnd(FILE_BYTES))
  }
}

/** As workload.c finds them. */
function filePaths(count: number): string[] {
  return Array.from(
    { length: count },
    (_, number) => `${FOLDER}/${Math.floor(number / FILES_PER_FOLDER)}/${number}`,
  )
}

const MODULES = [
  ...['asyncio', 'bz2', 'calendar', 'cmd', 'concurrent.futures', 'configparser', 'csv', 'ctypes', 'curses'],
  ...[
    'decimal',
    'difflib',
    'doctest',
    'email.mime.multipart',
    'email.policy',
    'ftplib',
    'gettext',
    'hashlib',
  ],
  ...['html.parser', 'http.cookiejar', 'http.server', 'imaplib', 'inspect', 'json', 'logging.config', 'lzma'],
  ...[
    'mailbox',
    'multiprocessing.pool',
    'optparse',
    'pdb',
    'pickle',
    'platform',
    'pprint',
    'profile',
    'pydoc',
  ],
  ...[
    'secrets',
    'shelve',
    'smtplib',
    'sqlite3',
    'ssl',
    'statistics',
    'tarfile',
    'tempfile',
    'timeit',
    'trace',
  ],
  ...['unittest.mock', 'urllib.robotparser', 'uuid', 'wsgiref.simple_server', 'xml.dom.minidom', 'xml.sax'],
  ...['xmlrpc.client', 'zipapp', 'zipfile', 'zoneinfo'],
]

/** Every codec, too: many small modules. At the end it says which files its modules came from. */
const IMPORTS = `
import importlib, pkgutil, encodings, os, sys
for name in ${JSON.stringify(MODULES)} + ['encodings.' + module.name for module in pkgutil.iter_modules(encodings.__path__)]:
    try: importlib.import_module(name)
    except ImportError: pass
for module in list(sys.modules.values()):
    spec = getattr(module, '__spec__', None)
    if spec and spec.has_location and os.path.isabs(spec.origin):
        print(spec.cached if spec.cached and os.path.exists(spec.cached) else spec.origin)
`

function python(): Workload {
  const interpreter = pythonPath()
  return {
    id: 'python',
    title: "Python imports most of its library, in the machine's own root",
    onMachineRoot: true,
    build() {},
    command: [interpreter, '-I', '-B', '-c', IMPORTS],
    opened: (output) => [interpreter, ...output.split('\n').filter((line) => line !== '')],
  }
}

/** Of an interpreter that is on the machine's root file system itself, which is all that the workload sees. */
function pythonPath(): string {
  const ask = ['-c', 'import os, sys; print(os.path.realpath(sys.executable), os.path.realpath(os.__file__))']
  for (const command of ['/usr/bin/python3', 'python3']) {
    try {
      const paths = execFileSync(command, ask, { encoding: 'utf8' }).trim().split(' ')
      if (paths.every((path) => statSync(path).dev === statSync('/').dev)) return paths[0] as string
    } catch {
      // The next one may do.
    }
  }
  throw new PreconditionError('PYTHON_MISSING', "no python3 on the machine's root file system: run bin/setup")
}
