/**
 * Which mounts of a process to watch.
 * @see proc_pid_mountinfo(5)
 */

export interface MountPoint {
  /** As the process sees it; bytes. */
  path: Buffer
  /** File system type, e.g. `ext4`, `fuse.sshfs`. */
  type: string
}

/** Not files on a disk or in memory, but the kernel's own interfaces. */
const KERNEL_TYPES = new Set([
  'autofs',
  'binfmt_misc',
  'bpf',
  'cgroup',
  'cgroup2',
  'configfs',
  'debugfs',
  'devpts',
  'devtmpfs',
  'efivarfs',
  'fusectl',
  'hugetlbfs',
  'mqueue',
  'nfsd',
  'nsfs',
  'proc',
  'pstore',
  'resctrl',
  'rpc_pipefs',
  'securityfs',
  'selinuxfs',
  'smackfs',
  'sysfs',
  'tracefs',
])

const PATH_FIELD = 4
/** Optional fields end with a dash; at least these come before it. */
const FIELDS_BEFORE_DASH = 6

/** The lines of a `mountinfo`, in its order; a line that is not one is left out. */
export function parseMountInfo(text: Buffer): MountPoint[] {
  return text
    .toString('latin1')
    .split('\n')
    .flatMap((line) => {
      const fields = line.split(' ')
      const path = fields[PATH_FIELD]
      const dash = fields.indexOf('-', FIELDS_BEFORE_DASH)
      const type = fields[dash + 1]
      if (path === undefined || dash === -1 || type === undefined) return []
      return [{ path: Buffer.from(unescapeOctal(path), 'latin1'), type }]
    })
}

/** Blank, tab, newline and backslash are written as three octal digits. */
function unescapeOctal(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)))
}

/** Paths to mark: the root, which need not be a mount point itself, and each mount that holds files. */
export function watchedPaths(mounts: readonly MountPoint[]): Buffer[] {
  const paths = new Set(['/'])
  for (const { path, type } of mounts) if (!KERNEL_TYPES.has(type)) paths.add(path.toString('latin1'))
  return [...paths].map((path) => Buffer.from(path, 'latin1'))
}
