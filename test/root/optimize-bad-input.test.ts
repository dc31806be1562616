/** Bad input: one sentence that says what is wrong and what to do, the documented exit code, and nothing left. */
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, before, describe, it } from 'node:test'
import { gzipSync } from 'node:zlib'
import { mount, unmount } from '../../native/mounts.ts'
import { type Descriptor, MEDIA_TYPE } from '../../optimizer/image/descriptor.ts'
import { type Digest, digestOf } from '../../optimizer/image/digest.ts'
import { hostPlatform } from '../../optimizer/image/platform.ts'
import type { ContentStore, ImageStore } from '../../optimizer/store/store.ts'
import { NotFoundError } from '../../shared/errors.ts'
import { busyboxFiles, putImage } from '../helpers/busybox-image.ts'
import { skipWithoutContainerd } from '../helpers/containerd.ts'
import { OptimizerBench } from '../helpers/optimizer-bench.ts'
import { skipWithoutFanotify } from '../helpers/privilege.ts'
import { dir, file, tarOf } from '../helpers/tar-language.ts'

const USAGE = 2
const PRECONDITION = 3
const WORKLOAD = 4

/** What no run may ever write. */
const TARGET = 'target'
const SHORT = ['--period', '5s', '--entrypoint', '["echo","done"]']
const NO_RUN = ['--no-optimize']

interface Expected {
  exit: number
  code: string
  /** Each is in the sentence. */
  says: (string | RegExp)[]
}

interface Circumstances {
  environment?: Record<string, string>
  wrapper?: string[]
}

describe('optimize', { skip: skipWithoutContainerd() || skipWithoutFanotify() }, () => {
  let bench: OptimizerBench
  before(async () => {
    bench = await OptimizerBench.open()
    await bench.withStores((stores) => putImage(stores, 'good', [busyboxFiles()], { Env: ['PATH=/bin'] }))
  })
  after(() => bench?.close())
  afterEach(async () => {
    assert.deepEqual(await bench.leftovers(), [])
    await assert.rejects(bench.stores.images.get(TARGET), NotFoundError)
  })

  /** A process for itself only where it needs one: its start takes longer than what most of these do. */
  const run: OptimizerBench['run'] = (args, environment, wrapper = []) =>
    wrapper.length > 0 ? bench.run(args, environment, wrapper) : bench.runHere(args, environment)

  async function fails(args: string[], expected: Expected, circumstances: Circumstances = {}): Promise<void> {
    const { environment = {}, wrapper = [] } = circumstances
    const { code, stdout, stderr } = await run(args, environment, wrapper)
    const told = `${args.join(' ')}\n${stderr}`
    assert.equal(code, expected.exit, told)
    assert.equal(stdout, '', told)
    const lines = stderr.trimEnd().split('\n')
    const sentences = lines.filter((line) => line.startsWith('optimizer: '))
    assert.deepEqual(sentences, lines.slice(-1), told)
    const [sentence = ''] = sentences
    assert.ok(sentence.endsWith(` [${expected.code}]`), told)
    assert.doesNotMatch(stderr, /^ {4}at /m, told)
    for (const part of expected.says) {
      if (typeof part === 'string') assert.ok(sentence.includes(part), `${told}\nlacks ${part}`)
      else assert.match(sentence, part, told)
    }
  }
  const optimizing = (source: string, options: string[], expected: Expected, circumstances?: Circumstances) =>
    fails(['optimize', source, TARGET, ...options], expected, circumstances)

  it('without a containerd at the address names the socket', async () => {
    const address = join(tmpdir(), 'no-such-folder', 'containerd.sock')
    const expected = { exit: PRECONDITION, code: 'CONTAINERD_UNAVAILABLE', says: [address] }
    await optimizing('good', ['--address', address, ...SHORT], expected)
    await optimizing('good', ['--address', address, ...NO_RUN], expected)
    await fails(['inspect', 'good', '--address', address], expected)
    await fails(['clean', '--address', address], expected)
  })

  it('of an image that is not there names every name that was tried', async () => {
    const names = ['"absent"', '"docker.io/library/absent:latest"', 'pull']
    const expected = { exit: PRECONDITION, code: 'NOT_FOUND', says: names }
    await optimizing('absent', NO_RUN, expected)
    await optimizing('absent', SHORT, expected)
    await fails(['inspect', 'absent'], expected)
  })

  it('in a namespace without the image names the one that has it', async () => {
    const says = [`use --namespace ${bench.containerd.daemon.namespace}`]
    const expected = { exit: PRECONDITION, code: 'NOT_FOUND', says }
    await optimizing('good', ['--namespace', 'nobody-uses-this', ...NO_RUN], expected)
  })

  it('without CAP_SYS_ADMIN says what it is needed for, and that converting does not need it', async () => {
    const wrapper = ['setpriv', '--bounding-set', '-sys_admin', '--inh-caps', '-sys_admin', '--']
    const expected = {
      exit: PRECONDITION,
      code: 'PRIVILEGE_MISSING',
      says: ['CAP_SYS_ADMIN', 'root', '--no-optimize'],
    }
    await optimizing('good', SHORT, expected, { wrapper })
    await fails(['clean'], { ...expected, says: ['CAP_SYS_ADMIN'] }, { wrapper })
    const { code, stderr } = await bench.run(['optimize', 'good', 'unprivileged', ...NO_RUN], {}, wrapper)
    assert.equal(code, 0, stderr)
  })

  it('for a platform that the image has not names those it has', async () => {
    const { os, architecture } = hostPlatform()
    await optimizing('good', ['--platform', 'linux/s390x', ...NO_RUN], {
      exit: PRECONDITION,
      code: 'PLATFORM_NOT_IN_IMAGE',
      says: ['linux/s390x', `${os}/${architecture}`, '--platform'],
    })
  })

  it('for a platform that this machine cannot run says how to do without', async () => {
    await optimizing('good', ['--platform', 'linux/s390x', ...SHORT], {
      exit: PRECONDITION,
      code: 'PLATFORM_NOT_RUNNABLE',
      says: ['linux/s390x', '--no-optimize'],
    })
  })

  it('with a workload that is not in the image says which', async () => {
    await optimizing('good', ['--entrypoint', '["no-such-command"]'], {
      exit: WORKLOAD,
      code: 'COMMAND_NOT_FOUND',
      says: ['no-such-command'],
    })
  })

  it('with a snapshotter that containerd has not names it', async () => {
    const expected = { exit: PRECONDITION, code: 'SNAPSHOTTER_UNKNOWN', says: ['nonesuch'] }
    await optimizing('good', ['--snapshotter', 'nonesuch', ...SHORT], expected)
  })

  describe('of a layer', () => {
    const tar = tarOf([dir('data/'), file('data/file', Buffer.alloc(200_000, 'some text '))])
    const gzip = gzipSync(tar)
    const bad = (name: string, layer: Partial<BadLayer>) =>
      bench.withStores((stores) => putBadImage(stores, name, { tar, blob: gzip, ...layer }))

    /** Both ways of getting at a layer: containerd's unpacking, and ours. */
    async function corrupt(name: string, check: string): Promise<void> {
      const digest = (await bench.documents(name)).manifest.layers[0]?.digest ?? ''
      const converting = { exit: PRECONDITION, code: 'LAYER_CORRUPT', says: [digest, check, 'fetch'] }
      await optimizing(name, NO_RUN, converting)
      const { code, stdout, stderr } = await run(['optimize', name, TARGET, ...SHORT])
      assert.equal(code, PRECONDITION, stderr)
      assert.equal(stdout, '')
      assert.match(stderr, /^optimizer: .*\[(LAYER_UNPACK_FAILED|DIFF_ID_MISMATCH|LAYER_CORRUPT)\]\n$/m)
      assert.ok(stderr.includes(digest), stderr)
    }

    it('whose gzip is cut off names the layer and the check', async () => {
      await bad('cut', { blob: gzip.subarray(0, gzip.length - 20) })
      await corrupt('cut', 'gzip')
    })

    it('whose gzip is garbage after its header names the layer and the check', async () => {
      await bad('garbage', { blob: Buffer.concat([gzip.subarray(0, 10), Buffer.alloc(5000, 0xff)]) })
      await corrupt('garbage', 'gzip')
    })

    it('whose gzip says another length than it has names the layer and the check', async () => {
      const blob = Buffer.from(gzip)
      blob.writeUInt32LE(tar.length + 1, blob.length - 4)
      await bad('length', { blob })
      await corrupt('length', 'gzip')
    })

    it('that is no tar names the layer and the check', async () => {
      const noTar = Buffer.alloc(4096, 'this is no archive at all ')
      await bad('no-tar', { tar: noTar, blob: gzipSync(noTar) })
      await corrupt('no-tar', 'tar')
    })

    it('whose tar is cut off names the layer and the check', async () => {
      const cut = tar.subarray(0, 100_000)
      await bad('cut-tar', { tar: cut, blob: gzipSync(cut) })
      await corrupt('cut-tar', 'tar')
    })

    it('that is not what the config says names both digests', async () => {
      const diffId = digestOf('something else')
      await bad('diff-id', { diffId })
      await corrupt('diff-id', 'diff ID')
      await optimizing('diff-id', NO_RUN, {
        exit: PRECONDITION,
        code: 'LAYER_CORRUPT',
        says: [diffId, digestOf(tar)],
      })
    })

    it('that is not as long as the manifest says names the size', async () => {
      await bad('size', { sizeBytes: gzip.length + 1 })
      await optimizing('size', NO_RUN, { exit: PRECONDITION, code: 'LAYER_CORRUPT', says: ['size'] })
    })

    it('that is not in the content store says how to fetch it', async () => {
      const blob = gzipSync(tar, { level: 1 })
      await bad('missing', { blob, absent: true })
      const expected = {
        exit: PRECONDITION,
        code: 'NOT_FOUND',
        says: [digestOf(blob), 'missing', 'ctr content fetch'],
      }
      await optimizing('missing', NO_RUN, expected)
      await optimizing('missing', SHORT, expected)
    })

    it('that is broken zstd by its media type, or by its bytes, names the check', async () => {
      const blob = Buffer.from('28b52ffd0000', 'hex')
      await bad('zstd', { blob, mediaType: 'application/vnd.oci.image.layer.v1.tar+zstd' })
      await bad('zstd-in-disguise', { blob })
      const expected = { exit: PRECONDITION, code: 'LAYER_CORRUPT', says: ['zstd', digestOf(blob)] }
      await optimizing('zstd', NO_RUN, expected)
      await optimizing('zstd-in-disguise', NO_RUN, expected)
    })

    it('that is foreign says that it may not be redistributed', async () => {
      await bad('foreign', { mediaType: 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip' })
      const expected = { exit: PRECONDITION, code: 'LAYER_FOREIGN', says: ['redistributed'] }
      await optimizing('foreign', NO_RUN, expected)
      await optimizing('foreign', SHORT, expected)
    })

    it('without a disk to keep it on says where, and how to choose another', async () => {
      const says = ['TMPDIR', 'cannot keep']
      const expected = { exit: PRECONDITION, code: 'SPOOL_FAILED', says }
      await optimizing('good', NO_RUN, expected, { environment: { TMPDIR: '/no/such/folder' } })
      const folder = mkdtempSync(join(tmpdir(), 'optimize-bad-input-'))
      const full = join(folder, 'full')
      mkdirSync(full)
      mount({ type: 'tmpfs', source: 'tmpfs', target: full, options: ['size=64k'] })
      try {
        await optimizing('good', NO_RUN, expected, { environment: { TMPDIR: full } })
        await optimizing('good', SHORT, expected, { environment: { TMPDIR: full } })
      } finally {
        unmount(full)
        rmSync(folder, { recursive: true })
      }
    })
  })

  describe('with a command line that is wrong', () => {
    const usage = (code: string, ...says: (string | RegExp)[]): Expected => ({ exit: USAGE, code, says })
    const invalid = (option: string, ...says: string[]) => usage('OPTION_INVALID', option, ...says)

    for (const [args, expected] of [
      [['optimize', 'good', TARGET, '--no-such-option'], usage('USAGE', 'no-such-option', '--help')],
      [
        ['optimise', 'good', TARGET],
        usage('USAGE', 'there is no command optimise', 'did you mean optimize?'),
      ],
      [[], usage('USAGE', 'optimize', 'inspect', 'clean')],
      [['optimize', 'good'], usage('USAGE', '--help')],
      [['optimize', 'good', TARGET, 'surplus'], usage('USAGE', 'surplus')],
      [['inspect', 'good', '--toc', 'x'], invalid('--toc', '"x"')],
      [['inspect', 'good', '--toc', '1'], invalid('--toc', '"1"')],
      [['inspect', 'good', '--log-level', 'loud'], usage('USAGE', 'loud', 'debug')],
      [['optimize', '', TARGET], usage('ARGUMENT_INVALID', '<source>')],
    ] as [string[], Expected][])
      it(`${['optimizer', ...args].join(' ')} is refused`, () => fails(args, expected))

    for (const [options, expected] of [
      [['--period', '5s', '--period', '6s'], usage('OPTION_REPEATED', '--period')],
      [['--platform', 'linux/amd64', '--all-platforms'], usage('OPTIONS_CONTRADICT', '--platform')],
      [['--entrypoint', 'true'], invalid('--entrypoint', 'JSON array')],
      [['--entrypoint', '["true"'], invalid('--entrypoint', 'JSON array')],
      [['--args', '{"a":1}'], invalid('--args', 'JSON array')],
      [['--args', '[1]'], invalid('--args', 'JSON array')],
      [['--env', '=value'], invalid('--env', 'NAME=value')],
      [['--period', 'soon'], invalid('--period', '"soon"', '10s')],
      [['--period', '0'], invalid('--period', '"0"')],
      [['--period=-1'], invalid('--period', '"-1"')],
      [['--estargz-compression-level', '0'], invalid('--estargz-compression-level', '"0"')],
      [['--estargz-compression-level', '13'], invalid('--estargz-compression-level', '"13"')],
      [['--estargz-compression-level', 'best'], invalid('--estargz-compression-level', '"best"')],
      [['--estargz-chunk-size', '1'], invalid('--estargz-chunk-size', '4096')],
      [['--estargz-chunk-size', '4MB'], invalid('--estargz-chunk-size', '4MiB')],
      [['--workers', '0'], invalid('--workers', '"0"')],
      [['--platform', 'linux/amd64/v1/more'], usage('PLATFORM_INVALID', 'linux/amd64/v1/more')],
      [['--namespace', 'not/a/namespace'], invalid('--namespace', 'not/a/namespace')],
      [['--record-out', '/no/such/folder/record'], invalid('--record-out', '/no/such/folder/record')],
      [['--record-out', '/tmp'], invalid('--record-out', 'directory')],
      [['--record-out', '/tmp/record', ...NO_RUN], usage('OPTIONS_CONTRADICT', '--no-optimize')],
    ] as [string[], Expected][])
      it(`${options.join(' ')} is refused`, () => optimizing('good', options, expected))
  })
})

interface BadLayer {
  /** What the config says is in it. */
  tar: Buffer
  blob: Buffer
  diffId: Digest
  mediaType: string
  /** Of the descriptor. */
  sizeBytes: number
  /** The blob is not stored. */
  absent: boolean
}

async function putBadImage(
  { content, images }: { content: ContentStore; images: ImageStore },
  name: string,
  layer: Partial<BadLayer> & { tar: Buffer; blob: Buffer },
): Promise<void> {
  const { blob, tar, diffId = digestOf(tar), mediaType = MEDIA_TYPE.ociLayerGzip } = layer
  const put = async (type: string, bytes: Buffer, labels = {}): Promise<Descriptor> => {
    const digest = digestOf(bytes)
    const writer = await content.writer(`bad-${digest.slice(-16)}`)
    await writer.write(bytes)
    await writer.commit({ digest, sizeBytes: bytes.length, labels })
    return { mediaType: type, digest, size: bytes.length }
  }
  if (!layer.absent) await put(mediaType, blob)
  const config = {
    ...hostPlatform(),
    config: { Env: ['PATH=/bin'] },
    rootfs: { type: 'layers', diff_ids: [diffId] },
  }
  const configDescriptor = await put(MEDIA_TYPE.ociConfig, Buffer.from(JSON.stringify(config)))
  const manifest = {
    schemaVersion: 2,
    mediaType: MEDIA_TYPE.ociManifest,
    config: configDescriptor,
    layers: [{ mediaType, digest: digestOf(blob), size: layer.sizeBytes ?? blob.length }],
  }
  const labels = {
    'containerd.io/gc.ref.content.config': configDescriptor.digest,
    'containerd.io/gc.ref.content.l.0': digestOf(blob),
  }
  const target = await put(MEDIA_TYPE.ociManifest, Buffer.from(JSON.stringify(manifest)), labels)
  await images.put({ name, target, labels: {} })
}
