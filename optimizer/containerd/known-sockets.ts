/** Where others have a containerd, and in which namespace of it their images are. */
import { statSync } from 'node:fs'

interface KnownSocket {
  path: string
  /** Where `whose` keeps its images. */
  namespace: string
  whose: string
}

const KNOWN: readonly KnownSocket[] = [
  { path: '/run/containerd/containerd.sock', namespace: 'default', whose: 'the machine' },
  // Docker's own, where it does not use the machine's.
  { path: '/run/docker/containerd/containerd.sock', namespace: 'moby', whose: 'Docker' },
  { path: '/run/k3s/containerd/containerd.sock', namespace: 'k8s.io', whose: 'k3s or RKE2' },
  { path: '/run/k0s/containerd.sock', namespace: 'k8s.io', whose: 'k0s' },
  { path: '/var/snap/microk8s/common/run/containerd.sock', namespace: 'k8s.io', whose: 'MicroK8s' },
]

/**
 * Which other containerds this machine has, as a phrase with the options that lead there; '' when there is none.
 * @param address the socket that was tried
 * @param isSocket whether there is one at a path
 */
export function otherSockets(address: string, isSocket: (path: string) => boolean = hasSocket): string {
  const there = KNOWN.filter(({ path }) => path !== address && isSocket(path))
  const hints = there.map(
    ({ path, namespace, whose }) => `that of ${whose} is at --address ${path} --namespace ${namespace}`,
  )
  return hints.join(', ')
}

/**
 * Whether this user's session runs a containerd without root, which cannot be used: its containers are in a user
 * namespace, and the kernel lets only the machine's root watch a file system. Behind sudo it is the session of who called it.
 */
export function hasRootlessContainerd(
  { XDG_RUNTIME_DIR, SUDO_UID }: NodeJS.ProcessEnv = process.env,
  exists: (path: string) => boolean = (path) => statSync(path, { throwIfNoEntry: false }) !== undefined,
): boolean {
  const folders = [XDG_RUNTIME_DIR, SUDO_UID === undefined ? undefined : `/run/user/${SUDO_UID}`]
  return folders.some((folder) => folder !== undefined && exists(`${folder}/containerd-rootless/child_pid`))
}

function hasSocket(path: string): boolean {
  try {
    return statSync(path).isSocket()
  } catch {
    return false
  }
}
