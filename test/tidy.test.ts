/** The rules of the house that a machine can hold. CONTRIBUTING.md says them in words. */
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, posix } from 'node:path'
import { describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'

const LINES_MAX = 400
const FUNCTION_LINES_MAX = 70
const FOLDERS = ['.ci', 'bench', 'bin', 'docs', 'man', 'native', 'notifier', 'optimizer', 'shared', 'test']
/** Written in pieces, so that this file holds to its own rule. */
const LEFTOVERS = new RegExp(
  ['\\bTO' + 'DO\\b', 'FIX' + 'ME', '\\bX' + 'XX\\b', '\\bfor ' + 'now\\b', 'not ' + 'implemented'].join('|'),
  'i',
)
/** What is started, not imported. */
const ENTRIES =
  /^(optimizer\/main|notifier\/main|bin\/start|bin\/report-picture|test\/run|test\/asan|test\/matrix|test\/conversion-digests|test\/fuzz\/(main|fuzz-thread)|bench\/convert|bench\/convert-engine|bench\/program-start|bench\/gzip-helpers|bench\/start|bench\/agreement|bench\/registry|bench\/model-error|bench\/notifier|bench\/notifier\/own-client)\.ts$|\.test\.ts$/

const root = fileURLToPath(new URL('../../', import.meta.url))
const ignored = new Set(readFileSync(join(root, '.gitignore'), 'utf8').split('\n').concat('.git/'))
const files = walk('').sort()

/** Paths of all files from the root, ignored folders left out. */
function walk(folder: string): string[] {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = posix.join(folder, entry.name)
    if (entry.isDirectory()) return ignored.has(`${path}/`) ? [] : walk(path)
    return [path]
  })
}

const isGenerated = (path: string) => path.includes('/generated/') || path.startsWith('test/fixtures/')
const read = (path: string) => readFileSync(join(root, path), 'utf8')
const sources = files.filter((path) => path.endsWith('.ts') && !isGenerated(path))
const texts = new Map(sources.map((path) => [path, read(path)]))

describe('the tree', () => {
  it('has no other top-level folder than these', () => {
    const folders = new Set(
      files.filter((path) => path.includes('/')).map((path) => path.split('/')[0] ?? ''),
    )
    assert.deepEqual([...folders].sort(), FOLDERS)
  })

  it('names source files in kebab-case', () => {
    const odd = sources.filter((path) => !/^[a-z0-9-]+(\.(test|d))?\.ts$/.test(posix.basename(path)))
    assert.deepEqual(odd, [])
  })

  it(`has no hand-written source of more than ${LINES_MAX} lines`, () => {
    const written = files.filter(
      (path) => /\.(ts|mjs|cc|h|sh|py|go|c)$|^bin\//.test(path) && !isGenerated(path),
    )
    const long = written.filter((path) => read(path).split('\n').length - 1 > LINES_MAX)
    assert.deepEqual(long, [])
  })

  it(`has no function of more than ${FUNCTION_LINES_MAX} lines`, () => {
    const product = sources.filter((path) => !path.startsWith('test/'))
    const long = product.flatMap((path) => longFunctions(path, texts.get(path) ?? ''))
    assert.deepEqual(long, [])
  })

  it('has no leftovers of unfinished work', () => {
    const written = files.filter(
      (path) => /\.(ts|mjs|cc|h|sh|md|proto|json)$|^bin\//.test(path) && !isGenerated(path),
    )
    const left = written.flatMap((path) =>
      read(path)
        .split('\n')
        .flatMap((line, index) => (LEFTOVERS.test(line) ? [`${path}:${index + 1}: ${line.trim()}`] : [])),
    )
    assert.deepEqual(left, [])
  })

  it('has no type hole', () => {
    const hole = /\bas any\b|[:<|]\s*any\b(?!\()|\bany\[\]|@ts-(ignore|expect-error|nocheck)/
    const holes = sources
      .filter((path) => path !== 'test/tidy.test.ts')
      .flatMap((path) =>
        codeLines(texts.get(path) ?? '').flatMap((line) =>
          hole.test(line) ? [`${path}: ${line.trim()}`] : [],
        ),
      )
    assert.deepEqual(holes, [])
  })

  it('has no source that nothing imports', () => {
    const used = new Set(sources.flatMap((path) => references(path, texts.get(path) ?? '')))
    const orphans = sources.filter((path) => !used.has(path) && !ENTRIES.test(path))
    assert.deepEqual(orphans, [])
  })
})

describe('imports', () => {
  const table = importTable(read('docs/architecture.md'))

  it('of every folder are in the table of docs/architecture.md', () => {
    const missing = new Set(
      sources.map((path) => dirname(path)).filter((folder) => rule(table, folder) === undefined),
    )
    assert.deepEqual([...missing], [])
  })

  it('keep to that table', () => {
    const wrong = sources.flatMap((path) =>
      imports(path, texts.get(path) ?? '')
        .filter((target) => !isAllowed(table, dirname(path), target))
        .map((target) => `${path} imports ${target}`),
    )
    assert.deepEqual(wrong, [])
  })

  it('name files as they are: .ts', () => {
    const wrong = sources.flatMap((path) =>
      [...(texts.get(path) ?? '').matchAll(/from '(\.[^']*)'/g)]
        .map((match) => match[1] ?? '')
        .filter((target) => !target.endsWith('.ts'))
        .map((target) => `${path}: ${target}`),
    )
    assert.deepEqual(wrong, [])
  })
})

describe('documents', () => {
  const documents = files.filter((path) => path.endsWith('.md') && !isGenerated(path))

  it('link to files that exist', () => {
    const broken = documents.flatMap((path) =>
      [...read(path).matchAll(/\]\(([^)#:\s]+)(#[^)]*)?\)/g)]
        .map((match) => posix.join(dirname(path), match[1] ?? ''))
        .filter((target) => !existsSync(join(root, target)))
        .map((target) => `${path}: ${target}`),
    )
    assert.deepEqual(broken, [])
  })

  it('mention every script of package.json in CONTRIBUTING.md', () => {
    const scripts = Object.keys((JSON.parse(read('package.json')) as { scripts: object }).scripts)
    const text = read('CONTRIBUTING.md')
    const hidden = ['install', 'prepack']
    const spelling = (name: string) => (['start', 'test'].includes(name) ? `npm ${name}` : `npm run ${name}`)
    assert.deepEqual(
      scripts.filter((name) => !hidden.includes(name) && !text.includes(spelling(name))),
      [],
    )
  })

  it('are all reachable from README.md', () => {
    const readme = read('README.md')
    assert.deepEqual(
      documents.filter((path) => path.startsWith('docs/') && !readme.includes(path)),
      [],
    )
  })
})

interface Rule {
  folders: string[]
  packages: string[]
}

/** Rows as: | `folder` | `may`, `import` | `package` | */
function importTable(markdown: string): Map<string, Rule> {
  const table = new Map<string, Rule>()
  for (const [, folder = '', folders = '', packages = ''] of markdown.matchAll(
    /^\| `([^`]+)` \|([^|]*)\|([^|]*)\|$/gm,
  )) {
    const names = (cell: string) =>
      cell.includes('everything') ? ['*'] : [...cell.matchAll(/`([^`]+)`/g)].map((match) => match[1] ?? '')
    table.set(folder, { folders: names(folders), packages: names(packages) })
  }
  return table
}

/** The rule of a folder: its own row, or that of a pattern such as `bench/*`. Generated code is its parent's. */
function rule(table: Map<string, Rule>, folder: string): Rule | undefined {
  return table.get(folder) ?? table.get(`${folder.split('/')[0]}/*`)
}

function isAllowed(table: Map<string, Rule>, folder: string, target: string): boolean {
  const { folders = [], packages = [] } = rule(table, folder) ?? {}
  if (!target.endsWith('.ts'))
    return packages.some((name) => name === '*' || target === name || target.startsWith(`${name}/`))
  if (target === 'shared/errors.ts' || target === 'shared/log.ts') return true
  const from = dirname(target)
  if (from === folder || from === `${folder}/generated`) return true
  return folders.some(
    (name) =>
      name === '*' || name === from || (name.endsWith('/*') && `${from}/`.startsWith(name.slice(0, -1))),
  )
}

/** Files (by their path from the root) and packages that a source imports; Node's own modules left out. */
function imports(path: string, text: string): string[] {
  const specifiers = [
    ...text.matchAll(/^(?:(?:import|export)\b.*|\}) from '([^']+)'/gm),
    ...text.matchAll(/^import '([^']+)'/gm),
    ...text.matchAll(/\bimport\('([^']+)'\)/g),
  ]
  return specifiers
    .map((match) => match[1] ?? '')
    .filter((name) => !name.startsWith('node:'))
    .map((name) => (name.startsWith('.') ? posix.join(dirname(path), name) : name))
}

/** What a source imports, and what it starts by a URL or path beside itself: workers and programs. */
function references(path: string, text: string): string[] {
  const started = [...text.matchAll(/'(\.\.?\/[^']+)\.js'/g)].map(
    (match) => `${posix.join(dirname(path), match[1] ?? '')}.ts`,
  )
  return [...imports(path, text), ...started]
}

/** Lines with comments and strings blanked. */
function codeLines(text: string): string[] {
  return text
    .replace(/\/\*[\s\S]*?\*\//g, (comment) => comment.replace(/[^\n]/g, ' '))
    .split('\n')
    .map((line) => line.replace(/'(?:[^'\\]|\\.)*'/g, "''").replace(/\/\/.*$/, ''))
}

/** Biome's layout makes this simple: a function ends with the first `}` as far in as its first line. */
function longFunctions(path: string, text: string): string[] {
  const lines = text.split('\n')
  const start =
    /^(\s*)(?:export |default |static |private |async |get |set )*(?:function\b|[#\w]+(?:<[^>]*>)?\(|(?:const|let) \w+ = (?:async )?\()/
  const statement = /^\s*(?:if|for|while|switch|return|await|super|describe|it|test)\b/
  return lines.flatMap((line, index) => {
    const indent = start.exec(line)?.[1]
    if (indent === undefined || statement.test(line)) return []
    // A signature of several lines ends with `) … {`; one without a body is a type's.
    const closing = line.endsWith('(')
      ? lines.find((other, at) => at > index && other.startsWith(`${indent})`))
      : line
    if (!closing?.endsWith('{')) return []
    const end = lines.findIndex((other, at) => at > index && other.startsWith(`${indent}}`))
    const length = end - index + 1
    return length > FUNCTION_LINES_MAX ? [`${path}:${index + 1}: ${length} lines`] : []
  })
}
