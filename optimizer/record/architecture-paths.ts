/** Paths that name an architecture, in the words of another one. */
import type { Platform } from '../image/platform.ts'
import type { PathKey } from '../tar/entry.ts'

interface Names {
  /** Of Debian's folders for libraries and of files that are built for it. */
  triplet: string
  /** File names of the dynamic loaders: glibc's, and musl's. */
  loaders: readonly [string, string]
}

/**
 * By architecture, and its variant where that makes a difference.
 * @see wiki.debian.org/Multiarch/Tuples
 */
const NAMES: Record<string, Names> = {
  amd64: { triplet: 'x86_64-linux-gnu', loaders: ['ld-linux-x86-64.so.2', 'ld-musl-x86_64.so.1'] },
  arm64: { triplet: 'aarch64-linux-gnu', loaders: ['ld-linux-aarch64.so.1', 'ld-musl-aarch64.so.1'] },
  'arm/v7': { triplet: 'arm-linux-gnueabihf', loaders: ['ld-linux-armhf.so.3', 'ld-musl-armhf.so.1'] },
  'arm/v5': { triplet: 'arm-linux-gnueabi', loaders: ['ld-linux.so.3', 'ld-musl-arm.so.1'] },
  '386': { triplet: 'i386-linux-gnu', loaders: ['ld-linux.so.2', 'ld-musl-i386.so.1'] },
  ppc64le: { triplet: 'powerpc64le-linux-gnu', loaders: ['ld64.so.2', 'ld-musl-powerpc64le.so.1'] },
  s390x: { triplet: 's390x-linux-gnu', loaders: ['ld64.so.1', 'ld-musl-s390x.so.1'] },
  riscv64: {
    triplet: 'riscv64-linux-gnu',
    loaders: ['ld-linux-riscv64-lp64d.so.1', 'ld-musl-riscv64.so.1'],
  },
  mips64le: { triplet: 'mips64el-linux-gnuabi64', loaders: ['ld.so.1', 'ld-musl-mips64el.so.1'] },
  loong64: {
    triplet: 'loongarch64-linux-gnu',
    loaders: ['ld-linux-loongarch-lp64d.so.1', 'ld-musl-loongarch64.so.1'],
  },
}

export type PathArchitecture = Pick<Platform, 'architecture' | 'variant'>

function namesOf({ architecture, variant }: PathArchitecture): Names | undefined {
  if (architecture !== 'arm') return NAMES[architecture]
  return NAMES[variant === 'v5' ? 'arm/v5' : 'arm/v7']
}

/**
 * What a path may be called in an image of another architecture, the likeliest first.
 * @returns the path alone where nothing in it names the architecture
 */
export function pathsFor(path: PathKey, from: PathArchitecture, to: PathArchitecture): PathKey[] {
  const [old, other] = [namesOf(from), namesOf(to)]
  if (old === undefined || other === undefined || old === other) return [path]
  const slash = path.lastIndexOf('/') + 1
  const loader = old.loaders.indexOf(path.slice(slash))
  const named = loader < 0 ? path : `${path.slice(0, slash)}${other.loaders[loader]}`
  const rewritten = named
    .replaceAll(old.triplet, other.triplet)
    .replaceAll(muslTriplet(old), muslTriplet(other))
  if (rewritten === path) return [path]
  return [...new Set([rewritten, inOtherLibFolder(rewritten), path])]
}

/** As Alpine's Python names its modules. */
function muslTriplet({ triplet }: Names): string {
  return triplet.replace('-gnu', '-musl')
}

/** Loaders are in `lib64` on some architectures, in `lib` on others. */
function inOtherLibFolder(path: PathKey): PathKey {
  if (/(^|\/)lib64\//.test(path)) return path.replace(/(^|\/)lib64\//, '$1lib/')
  return path.replace(/(^|\/)lib\//, '$1lib64/')
}
