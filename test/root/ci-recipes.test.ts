/** The recipes of docs/ci.md, taken from there and run: this program is real, what surrounds it is played. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { parse } from 'yaml'
import { OciArchive } from '../../optimizer/store/oci-archive.ts'
import { parseRecord } from '../../shared/record.ts'
import { busyboxFiles, putImage } from '../helpers/busybox-image.ts'
import { skipWithoutContainerd } from '../helpers/containerd.ts'
import { skipWithoutFanotify } from '../helpers/privilege.ts'

const PAGE = new URL('../../../docs/ci.md', import.meta.url)
const OPTIMIZER = join(import.meta.dirname, '../../../bin/optimizer')

interface Recipe {
  title: string
  commands: string[]
}

/** Of every section with a block of YAML: what a job runs. */
function recipes(): Recipe[] {
  const sections = readFileSync(PAGE, 'utf8').split(/^## /m)
  return sections.flatMap((section) => {
    const yaml = /^```yaml\n(.*?)^```$/ms.exec(section)?.[1]
    if (yaml === undefined) return []
    const document = parse(yaml) as {
      jobs?: { image: { steps: { run?: string }[] } }
      image?: { script: string[] }
    }
    const steps = document.jobs?.image.steps.flatMap(({ run }) => (run === undefined ? [] : [run]))
    return [{ title: section.split('\n')[0] ?? '', commands: steps ?? document.image?.script ?? [] }]
  })
}

describe('the recipes of docs/ci.md', { skip: skipWithoutContainerd() || skipWithoutFanotify() }, () => {
  let folder: string
  let work: string
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'ci-'))
    work = join(folder, 'work')
    mkdirSync(work)
    const built = await OciArchive.openForWriting(join(folder, 'built.tar'))
    const files = { ...busyboxFiles(), 'www/': '', 'www/index.html': 'hello\n', 'www/never': 'read\n' }
    await putImage(built, '', [files], {
      Env: ['PATH=/bin'],
      Cmd: ['httpd', '-f', '-p', '8080', '-h', '/www'],
    })
    await built.close()
    playAll()
  })
  after(() => rmSync(folder, { recursive: true, force: true }))

  /** In a folder at the front of PATH. */
  function play(name: string, script: string): void {
    const path = join(folder, 'bin', name)
    writeFileSync(path, `#!/bin/sh\n${script}\n`)
    chmodSync(path, 0o755)
  }

  function playAll(): void {
    mkdirSync(join(folder, 'bin'))
    // The registry is a layout here: what is pushed is there under the same tag.
    play(
      'optimizer',
      `for word; do shift; case $word in docker://*) word=oci:${folder}/pushed:latest;; esac; set -- "$@" "$word"; done
       exec ${process.execPath} ${OPTIMIZER} "$@"`,
    )
    play('sudo', 'exec "$@"')
    play('npm', 'test "$*" = "install --global @hotlayer/optimizer"')
    play('docker', `case $* in *dest=image.tar*) cp ${folder}/built.tar image.tar;; *) exit 1;; esac`)
    play(
      'buildah',
      `case $* in *oci-archive:image.tar) cp ${folder}/built.tar image.tar;; *build*) ;; *) exit 1;; esac`,
    )
    play('cosign', `echo "$*" >> ${folder}/signed`)
  }

  function run(command: string): void {
    const { status, stderr, stdout } = spawnSync('sh', ['-ec', command], {
      cwd: work,
      encoding: 'utf8',
      env: {
        ...process.env,
        PATH: `${join(folder, 'bin')}:${process.env.PATH}`,
        HOME: folder,
        CI_PROJECT_DIR: work,
        CI_REGISTRY_IMAGE: 'registry.example.com/me/app',
        // None is asked.
        CONTAINERD_ADDRESS: '/nonexistent.sock',
      },
    })
    assert.equal(status, 0, `${command}\n${stdout}${stderr}`)
  }

  for (const { title, commands } of recipes())
    it(`${title}: builds, optimizes, pushes, and signs what was pushed`, () => {
      rmSync(join(folder, 'pushed'), { recursive: true, force: true })
      rmSync(join(folder, 'signed'), { force: true })
      if (!/without privileges/.test(title)) rmSync(join(work, 'record.jsonl'), { force: true })
      for (const command of commands) run(command)
      const { entries } = parseRecord(readFileSync(join(work, 'record.jsonl'), 'utf8'))
      const read = new Set(entries.map(({ path }) => String(path)))
      assert.deepEqual([read.has('www/index.html'), read.has('www/never')], [true, false])
      const index = JSON.parse(readFileSync(join(folder, 'pushed', 'index.json'), 'utf8'))
      const signed = readFileSync(join(folder, 'signed'), 'utf8')
      assert.match(signed, new RegExp(`^sign --yes \\S+@${index.manifests[0].digest}\n$`))
      assert.equal(existsSync(join(work, 'image.tar')), true)
    })

  it('are three', () => assert.equal(recipes().length, 3))
})
