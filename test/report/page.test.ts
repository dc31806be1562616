import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { ImageAnalysis } from '../../optimizer/plan/analysis.ts'
import { reportPage } from '../../optimizer/report/page.ts'
import { readFilesOf } from '../../optimizer/report/read-files.ts'
import { LINKS } from '../../optimizer/simulate/link.ts'
import { simulate } from '../../optimizer/simulate/simulate.ts'
import { analysisOf, type FileText, headerOf } from '../helpers/analysis.ts'

const WEB: FileText[][] = [
  [
    { path: 'usr/lib/libc.so.6', sizeBytes: 1_900_000, hot: true, readAt: 0.01 },
    { path: 'etc/passwd', hot: true, readAt: -0.02, process: 'runc:[2:INIT]' },
    { path: 'usr/share/doc/copyright', sizeBytes: 5_000_000 },
  ],
  [
    { path: 'srv/app.py', sizeBytes: 12_000, hot: true, readAt: 0.4 },
    { path: 'srv/late.py', sizeBytes: 90_000, readAt: 0.6 },
    { path: 'srv/idle.py', sizeBytes: 60_000, hot: true },
  ],
]

function pageOf(...analyses: ImageAnalysis[]): string {
  const last = analyses.at(-1)
  const record = last?.records[0]
  return reportPage({
    madeBy: 'Made by a test',
    run: record === undefined ? null : { file: record.file, header: record.header },
    files: last === undefined ? [] : readFilesOf(last),
    images: analyses.map((analysis) => ({ analysis, simulation: simulate(analysis, LINKS) })),
  })
}

/** Headings of the sections. */
function sectionsOf(page: string): string[] {
  return [...page.matchAll(/<h2 id="([a-z]+)"/g)].map(([, id]) => id ?? '')
}

describe('a page', () => {
  it('says what was run, how it stopped, and that nothing is missing', () => {
    const page = pageOf(analysisOf(WEB))
    assert.match(page, /<bdi>python3 \/srv\/app\.py<\/bdi>/)
    assert.match(page, /no new file was opened for 500 ms<\/bdi>, after 1\.5 s, status 137/)
    assert.match(page, /after 800 ms/)
    assert.match(page, /yes: no access is known to be missing/)
  })

  it('compares with an image that is not ordered yet by what it has, not by its plan', () => {
    const page = pageOf(analysisOf(WEB, { kind: 'planned' }), analysisOf(WEB))
    const row = (title: string) =>
      new RegExp(`${title}</th><td[^>]*>([^<]*)</td><td[^>]*>([^<]*)</td>`).exec(page)
    assert.deepEqual(row('files that come first')?.slice(1), ['0', '4'])
    assert.deepEqual(row('of these, first')?.slice(1), ['0', '3'])
    assert.equal(row('fetched before the start')?.[1], '0 B')
  })

  it('gives the names of two images room to be broken, and dark colours to screens alone', () => {
    const named = analysisOf(WEB, { name: 'oci:/a/b:<1>' })
    const page = pageOf(named, named)
    assert.match(page, /<bdi class="name">oci:<wbr>\/<wbr>a\/<wbr>b:<wbr>&lt;1&gt;<\/bdi>/)
    assert.deepEqual(page.match(/@media[^{]*prefers-color-scheme[^{]*/g), [
      '@media screen and (prefers-color-scheme: dark) ',
    ])
  })

  it('says loudly where something is', () => {
    const header = headerOf({ complete: false, incompleteReasons: ['the queue overflowed 3 times'] })
    assert.match(
      pageOf(analysisOf(WEB, { header })),
      /<strong class="alarm">no<\/strong>: <bdi>the queue overflowed 3/,
    )
  })

  it('has every section that there is something for', () => {
    const whole = ['when', 'bytes', 'layers', 'starts', 'largest', 'processes', 'files']
    assert.deepEqual(sectionsOf(pageOf(analysisOf(WEB))), whole)
    assert.deepEqual(sectionsOf(pageOf(analysisOf(WEB), analysisOf(WEB))), [
      ...whole.slice(0, 4),
      'comparison',
      ...whole.slice(4),
    ])
    const unread = analysisOf([WEB[0]?.map(({ path }) => ({ path })) ?? []], { header: null })
    assert.deepEqual(sectionsOf(pageOf(unread)), ['bytes', 'layers'])
  })

  it('of a record alone has what the record knows', () => {
    const files = readFilesOf(analysisOf(WEB)).map((file) => ({ ...file, hot: null, storedBytes: null }))
    const run = { file: 'web.jsonl', header: headerOf() }
    const page = reportPage({ madeBy: 'Made by a test', run, files, images: [] })
    assert.deepEqual(sectionsOf(page), ['when', 'largest', 'processes', 'files'])
    assert.match(page, /The run read 4 files of the image/)
  })

  it('tells the four kinds of bytes apart', () => {
    const page = pageOf(analysisOf(WEB))
    for (const [path, state] of [
      ['srv/late.py', 'late'],
      ['srv/idle.py', 'idle'],
      ['usr/lib/libc.so.6', 'first'],
      ['usr/share/doc/copyright', 'cold'],
    ] as const)
      assert.match(page, new RegExp(`<rect class="${state}"[^>]*><title>${path}: `), path)
  })

  it('predicts a start over three links', () => {
    const page = pageOf(analysisOf(WEB))
    for (const title of ['1 Gbit/s, 1 ms', '100 Mbit/s, 20 ms', '25 Mbit/s, 60 ms'])
      assert.ok(page.includes(`<h3>${title}</h3>`), title)
  })

  it('needs nothing else: no address, no script but its own, no style attribute', () => {
    const page = pageOf(analysisOf(WEB))
    assert.doesNotMatch(page, /https?:|url\(|@import|<link|<img|<iframe| style=| on[a-z]+=/)
    assert.equal(page.split('<script').length - 1, 1)
    assert.match(
      page,
      /content="default-src 'none'; style-src 'sha256-[^']+'; script-src 'sha256-[^']+'; base-uri/,
    )
  })
})

describe('names of others', () => {
  const hostile = [
    '</script><script>alert(1)</script>',
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    'line\nbreak',
    'txt.\u202eexe',
    'broken \ufffd bytes',
    '--><!--',
    '&lt;b&gt;',
    'x'.repeat(4000),
  ]

  it('stay text, wherever they stand', () => {
    const files = hostile.map((path, index) => ({
      ...{ path: `srv/${path}`, sizeBytes: 100_000 * (index + 1), hot: true },
      ...{ readAt: index / 10, process: path.slice(0, 15) },
    }))
    const name = hostile.slice(0, 8).join(' ')
    const header = headerOf({
      workload: { args: hostile, envNames: [], cwd: '/', user: '' },
      stop: { rule: 'settle', reason: name, readySeconds: 0.2 },
      drive: [
        { http: name, status: 200 },
        { exec: hostile, status: 0 },
      ],
      image: { reference: name, manifestDigest: '', platform: name },
      kernel: name,
      started: name,
      complete: false,
      incompleteReasons: hostile,
    })
    const warnings = hostile.map((message) => ({
      code: 'LARGE_FILE' as const,
      message,
      layerIndex: 0,
      path: message,
    }))
    const page = pageOf(analysisOf([files], { name, header, warnings }))
    assert.equal(page.split('<script').length - 1, 1)
    assert.doesNotMatch(page, /<img|<!--|\u202e/)
    assert.ok(page.includes('line\\nbreak'))
    assert.ok(page.includes('&lt;/script&gt;'))
    // Whatever is in a tag was written by the page itself: an attribute's value holds no quote.
    const attributes = page.replace(/<(style|script)>[\s\S]*?<\/\1>/g, '').match(/<[a-z][^>]*>/g) ?? []
    for (const tag of attributes) assert.doesNotMatch(tag, /\son[a-z]+=/, tag)
  })
})

describe('a huge image', () => {
  it('of 100,000 files gives a page of a few megabytes', () => {
    const files = Array.from({ length: 100_000 }, (_, index) => ({
      path: `usr/share/package-${index % 500}/folder-${index % 7}/a-file-of-some-length-${index}.txt`,
      sizeBytes: 1000 + (index % 977) * 13,
      ...(index < 20_000 ? { readAt: index / 1000, hot: true, process: `process-${index % 40}` } : {}),
    }))
    const page = pageOf(analysisOf([files]))
    assert.ok(page.length < 3e6, `${page.length} bytes`)
    assert.match(page, /15,000 later ones are left out here/)
  })
})
