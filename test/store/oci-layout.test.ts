import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { gzipSync } from 'node:zlib'
import { digestOf } from '../../optimizer/image/digest.ts'
import { hostPlatform } from '../../optimizer/image/platform.ts'
import { requireBlobs } from '../../optimizer/store/missing.ts'
import { OciArchive } from '../../optimizer/store/oci-archive.ts'
import { type FileImages, LOCK_FILE, OciLayout } from '../../optimizer/store/oci-layout.ts'
import { resolveImages } from '../../optimizer/store/resolve.ts'
import { putRawImage } from '../helpers/raw-image.ts'
import { dir, file, symlink, tarOf } from '../helpers/tar-language.ts'
import { skipWithoutCommands } from '../helpers/unpackers.ts'

const LAYER = { tar: tarOf([dir('etc'), file('etc/motd', 'hello')]) }
const BLOBS = 'blobs/sha256'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'layout-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const inFolder = (name: string) => join(folder, name)
const layoutPath = () => inFolder('layout')
const archivePath = () => inFolder('archive.tar')

async function using<T>(opening: Promise<FileImages>, work: (images: FileImages) => Promise<T>): Promise<T> {
  const opened = await opening
  try {
    return await work(opened)
  } finally {
    await opened.close()
  }
}

const writeLayout = (tag: string, layers = [LAYER]) =>
  using(OciLayout.openForWriting(layoutPath()), (opened) => putRawImage(opened, tag, layers))
const writeArchive = (tag: string) =>
  using(OciArchive.openForWriting(archivePath()), (opened) => putRawImage(opened, tag, [LAYER]))

/** Everything of the image is there and is what its digest says. */
async function readWhole(opened: FileImages, name: string): Promise<string> {
  const resolved = await resolveImages(opened.images, opened.content, name, [hostPlatform()])
  await requireBlobs(opened, resolved)
  return resolved.root.digest
}
const readLayout = (name: string) =>
  using(OciLayout.openForReading(layoutPath()), (opened) => readWhole(opened, name))
const readArchive = (name: string) =>
  using(OciArchive.openForReading(archivePath()), (opened) => readWhole(opened, name))

describe('an OCI layout', () => {
  it('is made with its first image, and holds nothing else', async () => {
    await writeLayout('1.0')
    assert.deepEqual(readdirSync(layoutPath()).sort(), ['blobs', 'index.json', 'oci-layout'])
    assert.equal(readdirSync(inFolder(`layout/${BLOBS}`)).length, 3)
    await readLayout('1.0')
  })

  it('keeps its other images, and shows which there are', async () => {
    await writeLayout('one')
    await writeLayout('two', [LAYER, { tar: tarOf([file('b')]) }])
    assert.notEqual(await readLayout('one'), await readLayout('two'))
    await assert.rejects(readLayout('three'), { code: 'NOT_FOUND', message: /"three".*one, two/ })
    await assert.rejects(readLayout(''), { code: 'IMAGE_AMBIGUOUS', message: /name one.*one, two/ })
  })

  it('gives its only image, or its only unnamed one, where no tag is said', async () => {
    await writeLayout('one')
    assert.equal(await readLayout(''), await readLayout('one'))
    await writeLayout('', [{ tar: tarOf([file('b')]) }])
    assert.notEqual(await readLayout(''), await readLayout('one'))
  })

  it('gives an image by its digest', async () => {
    await writeLayout('one')
    await writeLayout('two', [{ tar: tarOf([file('b')]) }])
    const digest = await readLayout('one')
    assert.equal(await readLayout(`@${digest}`), digest)
  })

  it('is as it was when no image was put: nothing is left behind', async () => {
    await writeLayout('one')
    const before = readdirSync(layoutPath(), { recursive: true })
    const opening = OciLayout.openForWriting(layoutPath())
    await using(opening, async ({ content }) => {
      const writer = await content.writer('w')
      await writer.write(Buffer.from('x'))
    })
    assert.deepEqual(readdirSync(layoutPath(), { recursive: true }), before)
  })

  it('is not made when no image was put', async () => {
    await using(OciLayout.openForWriting(layoutPath()), async ({ content }) => {
      await content.writer('w')
      assert.ok(existsSync(layoutPath()))
    })
    assert.deepEqual(readdirSync(folder), [])
  })

  it('gets a blob whole that an interrupted copy has left short', async () => {
    await writeLayout('one')
    const names = readdirSync(inFolder(`layout/${BLOBS}`))
    for (const name of names) truncateSync(inFolder(`layout/${BLOBS}/${name}`), 3)
    await writeLayout('one')
    await readLayout('one')
  })

  it('does not wait for who was killed as it published', async () => {
    await writeLayout('1')
    writeFileSync(join(layoutPath(), LOCK_FILE), '')
    await writeLayout('2')
    assert.deepEqual(readdirSync(layoutPath()).sort(), ['blobs', 'index.json', 'oci-layout'])
  })

  it('takes images from writers side by side', async () => {
    const tags = ['a', 'b', 'c', 'd', 'e', 'f']
    await Promise.all(tags.map((tag) => writeLayout(tag, [{ tar: tarOf([file(tag)]) }])))
    const digests = new Set(await Promise.all(tags.map(readLayout)))
    assert.equal(digests.size, tags.length)
  })

  it('takes images from a writer that comes while the first one is still at work, or was killed at it', async () => {
    await using(OciLayout.openForWriting(layoutPath()), async (opened) => {
      await opened.content.writer('w')
      writeFileSync(inFolder(`layout/${LOCK_FILE}`), '')
      await writeLayout('second')
      await putRawImage(opened, 'first', [LAYER])
    })
    assert.equal(await readLayout('first'), await readLayout('second'))
  })
})

describe('a hostile or broken layout is refused by name', () => {
  const cases: [string, RegExp, () => void][] = [
    ['without oci-layout', /no file oci-layout/, () => rmSync(inFolder('layout/oci-layout'))],
    [
      'of another version',
      /version "2.0.0"/,
      () => writeFileSync(inFolder('layout/oci-layout'), '{"imageLayoutVersion":"2.0.0"}'),
    ],
    [
      'whose index is no JSON',
      /index.json is not JSON/,
      () => writeFileSync(inFolder('layout/index.json'), '{'),
    ],
    [
      'whose index fills the memory',
      /index.json has 1073741824 bytes/,
      () => truncateSync(inFolder('layout/index.json'), 1024 ** 3),
    ],
    [
      'whose index is a FIFO',
      /index.json is not a regular file/,
      () => {
        rmSync(inFolder('layout/index.json'))
        execFileSync('mkfifo', [inFolder('layout/index.json')])
      },
    ],
    [
      'whose index is a link',
      /index.json is a symbolic link/,
      () => {
        renameSync(inFolder('layout/index.json'), inFolder('elsewhere.json'))
        symlinkSync('../elsewhere.json', inFolder('layout/index.json'))
      },
    ],
    [
      'whose blobs are elsewhere',
      /blobs is not a folder/,
      () => {
        renameSync(inFolder('layout/blobs'), inFolder('elsewhere'))
        symlinkSync('../elsewhere', inFolder('layout/blobs'))
      },
    ],
    [
      'with a blob that is a link',
      /is a symbolic link/,
      () => {
        for (const name of readdirSync(inFolder(`layout/${BLOBS}`))) {
          rmSync(inFolder(`layout/${BLOBS}/${name}`))
          symlinkSync('/etc/hostname', inFolder(`layout/${BLOBS}/${name}`))
        }
      },
    ],
    [
      'with a manifest of other bytes',
      /does not match its descriptor/,
      () => {
        for (const name of readdirSync(inFolder(`layout/${BLOBS}`)))
          writeFileSync(inFolder(`layout/${BLOBS}/${name}`), 'x')
      },
    ],
  ]
  for (const [name, message, harm] of cases) {
    it(name, async () => {
      await writeLayout('one')
      harm()
      await assert.rejects(readLayout('one'), { exitCode: 3, message })
    })
  }

  it('what has no readable index is no target: that is known before anything is written', async () => {
    await writeLayout('one')
    writeFileSync(inFolder('layout/index.json'), '{')
    await assert.rejects(OciLayout.openForWriting(layoutPath()), { code: 'DOCUMENT_MALFORMED', exitCode: 3 })
  })

  it('a folder with other things is no target', async () => {
    mkdirSync(layoutPath())
    writeFileSync(inFolder('layout/thesis.txt'), 'mine')
    await assert.rejects(OciLayout.openForWriting(layoutPath()), { code: 'LAYOUT_INVALID' })
    assert.deepEqual(readdirSync(layoutPath()), ['thesis.txt'])
  })

  it('what cannot be written after all is told as such, of a layout and of an archive, and nothing stays', async () => {
    const cannot = { code: 'STORE_NOT_WRITABLE', exitCode: 3 }
    mkdirSync(
      inFolder(
        `layout/${BLOBS}/${digestOf(gzipSync(LAYER.tar, { level: 1 })).slice('sha256:'.length)}/taken`,
      ),
      {
        recursive: true,
      },
    )
    writeFileSync(inFolder('layout/oci-layout'), '{"imageLayoutVersion":"1.0.0"}')
    const before = readdirSync(layoutPath(), { recursive: true })
    await assert.rejects(writeLayout('1.0'), cannot)
    assert.deepEqual(readdirSync(layoutPath()).sort(), ['blobs', 'oci-layout'])
    assert.ok(before.every((name) => existsSync(inFolder(`layout/${name}`))))
    const writing = using(OciArchive.openForWriting(archivePath()), async (opened) => {
      mkdirSync(archivePath())
      await putRawImage(opened, '1.0', [LAYER])
    })
    await assert.rejects(writing, cannot)
    assert.deepEqual(readdirSync(folder).sort(), ['archive.tar', 'layout'])
  })

  it('a folder in a folder that is not there is no target', async () => {
    await assert.rejects(OciLayout.openForWriting(inFolder('a/b')), {
      code: 'STORE_NOT_WRITABLE',
      exitCode: 3,
    })
  })
})

describe('an OCI archive', () => {
  it('holds the image that was put, in the same bytes every time, and no other file stays', async () => {
    await writeArchive('1.0')
    const bytes = readFileSync(archivePath())
    await readArchive('1.0')
    await writeArchive('1.0')
    assert.deepEqual(readFileSync(archivePath()), bytes)
    assert.deepEqual(readdirSync(folder), ['archive.tar'])
  })

  it('replaces what was there only when an image is put', async () => {
    writeFileSync(archivePath(), 'precious')
    await using(OciArchive.openForWriting(archivePath()), async ({ content }) => {
      await content.writer('w')
    })
    assert.equal(readFileSync(archivePath(), 'utf8'), 'precious')
    assert.deepEqual(readdirSync(folder), ['archive.tar'])
    await writeArchive('1.0')
    await readArchive('')
  })

  const version = file('oci-layout', '{"imageLayoutVersion":"1.0.0"}')
  const index = file('index.json', '{"schemaVersion":2,"manifests":[]}')
  const refused: [string, RegExp, () => Buffer][] = [
    ['that is compressed', /must be decompressed first/, () => Buffer.from('1f8b0800000000000003', 'hex')],
    ['of something else', /it has no oci-layout/, () => tarOf([file('a')])],
    [
      'with a link in it',
      /"index.json" is a symlink/,
      () => tarOf([version, symlink('index.json', '/etc/passwd')]),
    ],
    ['that leads out', /"..\/x" leads out/, () => tarOf([version, index, file('../x')])],
    ['that names an absolute path', /"\/x" leads out/, () => tarOf([version, index, file('/x')])],
    ['with two of a name', /"index.json" comes twice/, () => tarOf([version, index, index])],
    [
      'cut short',
      /ends inside/,
      () => tarOf([version, file('index.json', 'x'.repeat(9000))]).subarray(0, 5000),
    ],
  ]
  for (const [name, message, bytes] of refused) {
    it(`${name} is refused by name`, async () => {
      writeFileSync(archivePath(), bytes())
      await assert.rejects(readArchive(''), { exitCode: 3, message })
    })
  }
})

describe('programs that are not ours', { skip: skipWithoutCommands('skopeo', 'umoci') }, () => {
  const skopeo = (...args: string[]) =>
    execFileSync('skopeo', ['--insecure-policy', ...args], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    })

  it('read our layouts and archives', async () => {
    await writeLayout('1.0')
    await writeArchive('1.0')
    for (const name of [`oci:${layoutPath()}:1.0`, `oci-archive:${archivePath()}:1.0`]) {
      const { Layers } = JSON.parse(skopeo('inspect', name))
      assert.equal(Layers.length, 1)
      skopeo('copy', name, `dir:${inFolder('copied')}`)
    }
    assert.equal(execFileSync('umoci', ['ls', '--layout', layoutPath()], { encoding: 'utf8' }).trim(), '1.0')
    execFileSync('umoci', ['raw', 'unpack', '--rootless', '--image', `${layoutPath()}:1.0`, inFolder('out')])
    assert.equal(readFileSync(inFolder('out/etc/motd'), 'utf8'), 'hello')
  })

  it('write layouts and archives that we read', async () => {
    await writeLayout('1.0')
    const digest = await readLayout('1.0')
    skopeo('copy', `oci:${layoutPath()}:1.0`, `oci-archive:${archivePath()}:docker.io/library/x:2`)
    assert.equal(await readArchive('docker.io/library/x:2'), digest)
    rmSync(layoutPath(), { recursive: true })
    skopeo('copy', `oci-archive:${archivePath()}`, `oci:${layoutPath()}`)
    assert.equal(await readLayout(''), digest)
    await writeLayout('ours', [{ tar: tarOf([file('b')]) }])
    skopeo('copy', `oci:${layoutPath()}:ours`, `dir:${inFolder('copied')}`)
  })
})
