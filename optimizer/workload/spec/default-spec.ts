/** The parts of a runtime spec that are the same for every workload: those of `ctr run`. */

export interface SpecMount {
  destination: string
  type: string
  source: string
  options: string[]
}

/** @see OCI runtime spec, config.md, "capabilities" */
export const CAPABILITIES = [
  'CAP_CHOWN',
  'CAP_DAC_OVERRIDE',
  'CAP_FSETID',
  'CAP_FOWNER',
  'CAP_MKNOD',
  'CAP_NET_RAW',
  'CAP_SETGID',
  'CAP_SETUID',
  'CAP_SETFCAP',
  'CAP_SETPCAP',
  'CAP_NET_BIND_SERVICE',
  'CAP_SYS_CHROOT',
  'CAP_KILL',
  'CAP_AUDIT_WRITE',
]

/** No tmpfs on /run: it would hide what the image has there. */
export const MOUNTS: readonly SpecMount[] = [
  { destination: '/proc', type: 'proc', source: 'proc', options: ['nosuid', 'noexec', 'nodev'] },
  {
    destination: '/dev',
    type: 'tmpfs',
    source: 'tmpfs',
    options: ['nosuid', 'strictatime', 'mode=755', 'size=65536k'],
  },
  {
    destination: '/dev/pts',
    type: 'devpts',
    source: 'devpts',
    options: ['nosuid', 'noexec', 'newinstance', 'ptmxmode=0666', 'mode=0620', 'gid=5'],
  },
  {
    destination: '/dev/shm',
    type: 'tmpfs',
    source: 'shm',
    options: ['nosuid', 'noexec', 'nodev', 'mode=1777', 'size=65536k'],
  },
  { destination: '/dev/mqueue', type: 'mqueue', source: 'mqueue', options: ['nosuid', 'noexec', 'nodev'] },
  { destination: '/sys', type: 'sysfs', source: 'sysfs', options: ['nosuid', 'noexec', 'nodev', 'ro'] },
]

export const MASKED_PATHS = [
  '/proc/acpi',
  '/proc/asound',
  '/proc/kcore',
  '/proc/keys',
  '/proc/latency_stats',
  '/proc/timer_list',
  '/proc/timer_stats',
  '/proc/sched_debug',
  '/proc/scsi',
  '/sys/firmware',
]

export const READONLY_PATHS = ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger']

/** @see OCI runtime spec, config-linux.md, "Allowed Device list" */
export interface DeviceRule {
  allow: boolean
  type?: 'b' | 'c' | 'p'
  /** Some of r, w, m (make a node). */
  access: string
  major?: number
  minor?: number
}

const allow = (type: 'c' | 'b', access: string, major?: number, minor?: number): DeviceRule => ({
  allow: true,
  type,
  access,
  ...(major === undefined ? {} : { major }),
  ...(minor === undefined ? {} : { minor }),
})

/** Everything is denied but making nodes and the devices that every container has. */
export const DEVICE_RULES: readonly DeviceRule[] = [
  { allow: false, access: 'rwm' },
  allow('c', 'm'),
  allow('b', 'm'),
  allow('c', 'rwm', 1, 3), // null
  allow('c', 'rwm', 1, 5), // zero
  allow('c', 'rwm', 1, 7), // full
  allow('c', 'rwm', 1, 8), // random
  allow('c', 'rwm', 1, 9), // urandom
  allow('c', 'rwm', 5, 0), // tty
  allow('c', 'rwm', 5, 1), // console
  allow('c', 'rwm', 5, 2), // ptmx
  allow('c', 'rwm', 136), // pts/*
]

export const PATH_DEFAULT = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
export const OPEN_FILES_MAX = 1024
