/** A file to begin with: what the image says is shown, what it suggests is said. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { optimizeCommand } from '../../optimizer/commands/optimize.ts'
import { initialFile } from '../../optimizer/config/initial-file.ts'
import { readOptions } from '../../optimizer/config/options-file.ts'
import { fileScheme } from '../../optimizer/config/run-with-file.ts'
import { MEDIA_TYPE } from '../../optimizer/image/descriptor.ts'
import { digestOf } from '../../optimizer/image/digest.ts'
import { type ImageLocation, parseLocation } from '../../optimizer/image/location.ts'
import type { ContainerConfig } from '../../optimizer/image/manifest.ts'

const descriptor = { mediaType: MEDIA_TYPE.ociManifest, digest: digestOf('manifest'), size: 8 }

function written(config: ContainerConfig, location: ImageLocation = parseLocation('image', 'a:1')): string {
  return initialFile(location, {
    name: 'docker.io/library/a:1',
    root: descriptor,
    index: null,
    descriptor,
    manifest: { schemaVersion: 2, config: descriptor, layers: [] },
    config: { os: 'linux', architecture: 'amd64', config, rootfs: { type: 'layers', diff_ids: [] } },
    platform: { os: 'linux', architecture: 'amd64' },
  })
}

const values = (text: string) => readOptions(text, 'run.yaml', fileScheme(optimizeCommand)).values

describe('a file from an image', () => {
  it('says when a server is ready, by its ports and its health check', () => {
    const text = written({
      ExposedPorts: { '80/tcp': {}, '8080/tcp': {}, '53/udp': {} },
      Healthcheck: { Test: ['CMD-SHELL', 'curl -f "http://localhost/" || exit 1'] },
      StopSignal: 'SIGQUIT',
    })
    assert.deepEqual(values(text), {
      source: 'docker.io/library/a:1',
      'ready-tcp': ['localhost:80', 'localhost:8080'],
      'ready-exec': ['["/bin/sh","-c","curl -f \\"http://localhost/\\" || exit 1"]'],
      settle: '500ms',
    })
    assert.match(text, /^# It is stopped by SIGQUIT/m)
  })

  it('says how long anything else runs', () => {
    assert.deepEqual(values(written({})), { source: 'docker.io/library/a:1', period: '10s' })
  })

  it('keeps what the image says behind a #, whatever it is', () => {
    const text = written({
      Entrypoint: ['/bin/sh', '-c'],
      Cmd: ['echo "a: #b"\nexit'],
      Env: ['PATH=/bin', 'ODD= "x": \\#', 'EMPTY='],
      User: '0',
      WorkingDir: '/srv',
    })
    assert.deepEqual(Object.keys(values(text)), ['source', 'period'])
    const whole = text.replaceAll(/^# (?=(?:entrypoint|args|env|user|cwd| {2}").*:)/gm, '')
    const { entrypoint, args, env, user, cwd } = values(whole)
    assert.deepEqual(
      [entrypoint, args, env, user, cwd],
      [
        '["/bin/sh","-c"]',
        JSON.stringify(['echo "a: #b"\nexit']),
        ['PATH=/bin', 'ODD= "x": \\#', 'EMPTY='],
        '0',
        '/srv',
      ],
    )
  })

  it('leaves the source open where containerd does not have the image', () => {
    const text = written({}, parseLocation('image', 'oci:folder:1'))
    assert.deepEqual(values(text), { period: '10s' })
    assert.match(text, /^# Written from oci:folder:1/m)
  })
})
