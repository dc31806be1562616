import assert from 'node:assert/strict'
import { it } from 'node:test'
import { hasRootlessContainerd, otherSockets } from '../../optimizer/containerd/known-sockets.ts'

const K3S = '/run/k3s/containerd/containerd.sock'

it('a containerd that others brought along is named with the options that lead to its images', () => {
  const there = [K3S, '/run/docker/containerd/containerd.sock']
  assert.equal(
    otherSockets('/run/containerd/containerd.sock', (path) => there.includes(path)),
    'that of Docker is at --address /run/docker/containerd/containerd.sock --namespace moby, ' +
      `that of k3s or RKE2 is at --address ${K3S} --namespace k8s.io`,
  )
})

it('the socket that was tried is not offered again, nor is one that is not there', () => {
  assert.equal(
    otherSockets(K3S, (path) => path === K3S),
    '',
  )
})

it('a rootless containerd is known by what its starter leaves in the runtime folder, behind sudo as well', () => {
  const file = '/run/user/1000/containerd-rootless/child_pid'
  const isThere = (path: string) => path === file
  assert.equal(hasRootlessContainerd({ XDG_RUNTIME_DIR: '/run/user/1000' }, isThere), true)
  assert.equal(hasRootlessContainerd({ SUDO_UID: '1000' }, isThere), true)
  assert.equal(hasRootlessContainerd({ XDG_RUNTIME_DIR: '/run/user/0', SUDO_UID: '1001' }, isThere), false)
  assert.equal(
    hasRootlessContainerd({}, () => true),
    false,
  )
})
