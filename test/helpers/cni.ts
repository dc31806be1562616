/** A container network of Debian's plugins for a test: a bridge of its own, whose addresses are kept in a folder. */
import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'

/** Of this process alone: another one's may be in the same network namespace. */
const BRIDGE = `hl-cni-${process.pid}`
const TRY = `hl-try-${process.pid}`
const SUBNET = `10.213.${process.pid % 250}`

/** Installed, or unpacked by bin/setup beside the other tools. */
const plugins = [
  ...(process.env.PATH ?? '').split(delimiter).map((folder) => join(folder, 'cni')),
  '/usr/lib/cni',
].find((folder) => existsSync(join(folder, 'host-local')))

/** Why there can be no such network here, or false; what the kernel lacks is found out by trying. */
export function skipWithoutBridges(): string | false {
  if (plugins === undefined)
    return process.env.CI ? false : 'needs containernetworking-plugins: run bin/setup --test'
  for (const kind of ['bridge', 'veth']) {
    const { status, stderr } = ip('link', 'add', TRY, 'type', kind)
    if (status !== 0) return `this kernel makes no ${kind}: ${stderr.trim()}`
    ip('link', 'del', TRY)
  }
  return false
}

export class TestNetwork {
  readonly gateway = `${SUBNET}.1`
  readonly #folder = mkdtempSync(join(tmpdir(), 'cni-network-'))

  constructor() {
    const configs = join(this.#folder, 'conf')
    mkdirSync(configs)
    const ipam = { type: 'host-local', subnet: `${SUBNET}.0/24`, dataDir: join(this.#folder, 'addresses') }
    const dns = { nameservers: [this.gateway], search: ['a.test'] }
    // No firewall is touched: nothing leaves this machine.
    const bridge = { type: 'bridge', bridge: BRIDGE, isGateway: true, ipMasq: false, ipam, dns }
    const list = { cniVersion: '0.4.0', name: 'test-network', plugins: [bridge] }
    writeFileSync(join(configs, '10-test.conflist'), JSON.stringify(list))
    // A network without an address to give.
    const full = { ...ipam, subnet: `${SUBNET}.0/24`, rangeStart: `${SUBNET}.1`, rangeEnd: `${SUBNET}.1` }
    const refusing = { ...list, name: 'full', plugins: [{ ...bridge, ipam: full }] }
    writeFileSync(join(configs, '20-full.conflist'), JSON.stringify(refusing))
  }

  get options(): string[] {
    return ['--cni', '--cni-plugin-conf-dir', join(this.#folder, 'conf'), '--cni-plugin-dir', plugins ?? '']
  }

  /** The same by way of a bridge plugin that refuses DEL until `relent` is called. */
  stubborn(): { options: string[]; relent: () => void } {
    const folder = join(this.#folder, 'stubborn')
    mkdirSync(folder)
    const [plugin, refuses] = [join(folder, 'bridge'), join(folder, 'refuses')]
    const script = `[ "$CNI_COMMAND" = DEL ] && [ -e ${refuses} ] && exit 1; exec ${plugins}/bridge`
    writeFileSync(plugin, `#!/bin/sh\n${script}\n`)
    chmodSync(plugin, 0o755)
    writeFileSync(refuses, '')
    const [dir, conf] = ['--cni-plugin-dir', '--cni-plugin-conf-dir']
    const options = ['--cni', conf, join(this.#folder, 'conf'), dir, folder, dir, plugins ?? '']
    return { options, relent: () => rmSync(refuses) }
  }

  /** Addresses in use, and interfaces at the bridge. */
  traces(): string[] {
    const folder = join(this.#folder, 'addresses', 'test-network')
    const addresses = existsSync(folder) ? readdirSync(folder).filter((name) => name.startsWith(SUBNET)) : []
    const ports = `/sys/class/net/${BRIDGE}/brif`
    return [...addresses, ...(existsSync(ports) ? readdirSync(ports) : [])]
  }

  /** The plugins leave the bridge. */
  remove(): void {
    ip('link', 'del', BRIDGE)
    rmSync(this.#folder, { recursive: true })
  }
}

function ip(...args: string[]): { status: number | null; stderr: string } {
  return spawnSync('busybox', ['ip', ...args], { encoding: 'utf8' })
}
