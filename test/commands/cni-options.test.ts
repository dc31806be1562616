/** Container networks as typed: which configuration is meant, and what is refused before anything runs. */
import assert from 'node:assert/strict'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { cniOptions } from '../../optimizer/commands/cni-options.ts'
import { UsageError } from '../../shared/errors.ts'

describe('a container network', () => {
  let folder: string
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'cni-options-'))
    for (const name of ['bridge', 'host-local', 'tuning']) {
      writeFileSync(join(folder, name), '#!/bin/sh\n')
      chmodSync(join(folder, name), 0o755)
    }
    const list = (file: string, value: unknown) =>
      writeFileSync(join(folder, file), typeof value === 'string' ? value : JSON.stringify(value))
    const plugins = [{ type: 'bridge', ipam: { type: 'host-local' } }, { type: 'tuning' }]
    list('10-first.conflist', { cniVersion: '1.0.0', name: 'first', plugins })
    list('20-single.conf', { cniVersion: '0.3.1', name: 'single', type: 'bridge' })
    list('30-broken.json', '{')
    list('40-absent.conflist', { cniVersion: '0.4.0', name: 'absent', plugins: [{ type: 'vlan' }] })
    list('50-ipam.conflist', {
      cniVersion: '0.4.0',
      name: 'ipam',
      plugins: [{ type: 'bridge', ipam: { type: 'dhcp' } }],
    })
    list('60-old.conflist', { cniVersion: '0.2.0', name: 'old', plugins })
    list('70-none.conflist', { cniVersion: '1.0.0', name: 'none', plugins: [] })
    list('80-path.conflist', { cniVersion: '1.0.0', name: 'path', plugins: [{ type: '../sh' }] })
    list('90-notes.txt', 'not a network')
  })
  after(() => rmSync(folder, { recursive: true }))

  const options = (argv: Record<string, unknown>) =>
    cniOptions({
      cni: true,
      'cni-plugin-conf-dir': folder,
      'cni-plugin-dir': ['/nonexistent', folder],
      ...argv,
    }).cni

  it('is none unless asked for', () => assert.deepEqual(cniOptions({}), {}))

  it("is that of the first file, by the files' names", () => {
    const { network, pluginDirs } = options({}) ?? {}
    assert.deepEqual([network?.name, network?.cniVersion], ['first', '1.0.0'])
    assert.deepEqual(
      network?.plugins.map(({ type }) => type),
      ['bridge', 'tuning'],
    )
    assert.deepEqual(pluginDirs, ['/nonexistent', folder])
  })

  it('is that of its name, past files that are broken, also where it is a single plugin', () => {
    const { network } = options({ 'cni-network': 'single' }) ?? {}
    assert.deepEqual(
      network?.plugins.map(({ type }) => type),
      ['bridge'],
    )
  })

  it('finds plugins in folders joined by colons, as CNI_PATH has them', () => {
    const { pluginDirs } = options({ 'cni-plugin-dir': [`/nonexistent:${folder}`] }) ?? {}
    assert.deepEqual(pluginDirs, ['/nonexistent', folder])
  })

  const missing: [string, Record<string, unknown>, string, RegExp][] = [
    [
      'an unknown network',
      { 'cni-network': 'x' },
      'CNI_CONFIG_MISSING',
      /no network "x": name one of first, single/,
    ],
    [
      'no folder',
      { 'cni-plugin-conf-dir': '/nonexistent' },
      'CNI_CONFIG_MISSING',
      /no network configuration/,
    ],
    [
      'a plugin that is not there',
      { 'cni-network': 'absent' },
      'CNI_PLUGIN_MISSING',
      /"vlan" is not in \/nonexistent/,
    ],
    ["a plugin's own plugin that is not there", { 'cni-network': 'ipam' }, 'CNI_PLUGIN_MISSING', /"dhcp"/],
    [
      'a version of the past',
      { 'cni-network': 'old' },
      'CNI_CONFIG_INVALID',
      /60-old.*"cniVersion" must be one of/,
    ],
    ['no plugins', { 'cni-network': 'none' }, 'CNI_CONFIG_INVALID', /every plugin must have a "type"/],
    ['a plugin that is a path', { 'cni-network': 'path' }, 'CNI_CONFIG_INVALID', /every plugin/],
  ]
  for (const [what, argv, code, message] of missing)
    it(`with ${what} is a missing precondition, told before anything runs`, () =>
      assert.throws(() => options(argv), { code, message, exitCode: 3 }))

  it("contradicts the host's network, and details without it do nothing", () => {
    assert.throws(() => options({ 'net-host': true }), UsageError)
    assert.throws(() => cniOptions({ 'cni-network': 'first' }), UsageError)
  })
})
