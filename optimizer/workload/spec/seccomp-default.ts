/**
 * The profile of `--security-opt seccomp=default`: what a workload has no business with. Everything else is allowed,
 * so that a program of tomorrow with a system call of tomorrow is recorded, too. A call that needs a capability is
 * refused unless the container has that capability; then the kernel decides.
 */
import { constants } from 'node:os'
import { type Seccomp, type SeccompArgument, type SeccompRule, seccompArchitectures } from './seccomp.ts'

interface Refusal {
  names: string[]
  /** Any of these lets the call through; none: it is always refused. */
  unless: string[]
}

export const REFUSALS: readonly Refusal[] = [
  // The kernel itself: its modules, its replacement, its log, its clock.
  { names: ['init_module', 'finit_module', 'delete_module'], unless: ['CAP_SYS_MODULE'] },
  { names: ['create_module', 'get_kernel_syms', 'query_module'], unless: [] },
  { names: ['kexec_load', 'kexec_file_load'], unless: [] },
  { names: ['reboot'], unless: ['CAP_SYS_BOOT'] },
  { names: ['syslog'], unless: ['CAP_SYSLOG', 'CAP_SYS_ADMIN'] },
  { names: ['settimeofday', 'stime', 'clock_settime', 'clock_settime64'], unless: ['CAP_SYS_TIME'] },
  { names: ['acct'], unless: ['CAP_SYS_PACCT'] },
  { names: ['iopl', 'ioperm'], unless: ['CAP_SYS_RAWIO'] },
  { names: ['swapon', 'swapoff'], unless: [] },
  { names: ['vhangup'], unless: ['CAP_SYS_TTY_CONFIG'] },
  { names: ['sethostname', 'setdomainname'], unless: ['CAP_SYS_ADMIN'] },
  { names: ['quotactl', 'quotactl_fd'], unless: ['CAP_SYS_ADMIN'] },
  // What is mounted where.
  {
    names: ['mount', 'umount', 'umount2', 'mount_setattr', 'move_mount', 'open_tree'],
    unless: ['CAP_SYS_ADMIN'],
  },
  { names: ['fsopen', 'fsconfig', 'fsmount', 'fspick', 'pivot_root'], unless: ['CAP_SYS_ADMIN'] },
  { names: ['setns', 'unshare'], unless: ['CAP_SYS_ADMIN'] },
  { names: ['chroot'], unless: ['CAP_SYS_CHROOT'] },
  // Files behind the file system's back.
  { names: ['open_by_handle_at'], unless: ['CAP_DAC_READ_SEARCH'] },
  { names: ['fanotify_init', 'lookup_dcookie'], unless: ['CAP_SYS_ADMIN'] },
  // Programs in the kernel, and what looks into it or into others.
  { names: ['bpf'], unless: ['CAP_BPF', 'CAP_SYS_ADMIN'] },
  { names: ['perf_event_open'], unless: ['CAP_PERFMON', 'CAP_SYS_ADMIN'] },
  { names: ['userfaultfd'], unless: [] },
  { names: ['io_uring_setup', 'io_uring_enter', 'io_uring_register'], unless: [] },
  // The kernel's keys are not divided among containers.
  { names: ['add_key', 'keyctl', 'request_key'], unless: [] },
  // Where memory lies is the machine's matter.
  { names: ['move_pages'], unless: ['CAP_SYS_NICE'] },
  // Calls of former times.
  { names: ['nfsservctl', 'sysfs', '_sysctl', 'uselib', 'ustat', 'vm86', 'vm86old'], unless: [] },
]

/** Flags of clone(2) that make a namespace; that of a time namespace is known to clone3 and unshare alone. */
const CLONE_NEW = {
  mount: 0x20000,
  cgroup: 0x02000000,
  uts: 0x04000000,
  ipc: 0x08000000,
  user: 0x10000000,
  pid: 0x20000000,
  network: 0x40000000,
}
/** A socket that reaches the host of a virtual machine past every network namespace. @see vsock(7) */
const AF_VSOCK = 40

/**
 * @param capabilities of the container
 * @param architecture as Go names it
 */
export function defaultSeccomp(capabilities: readonly string[], architecture: string): Seccomp {
  const refused = REFUSALS.filter(({ unless }) => !unless.some((name) => capabilities.includes(name)))
  const architectures = seccompArchitectures(architecture)
  return {
    defaultAction: 'SCMP_ACT_ALLOW',
    ...(architectures === undefined ? {} : { architectures }),
    syscalls: [
      refusal(refused.flatMap(({ names }) => names)),
      ...(capabilities.includes('CAP_SYS_ADMIN') ? [] : namespaceRules(architecture)),
      refusal(['socket'], [{ index: 0, value: AF_VSOCK, op: 'SCMP_CMP_EQ' }]),
    ],
  }
}

function refusal(names: string[], args?: SeccompArgument[]): SeccompRule {
  return {
    names,
    action: 'SCMP_ACT_ERRNO',
    errnoRet: constants.errno.EPERM,
    ...(args === undefined ? {} : { args }),
  }
}

/**
 * One rule for each flag, for a filter can say "all of these bits" but not "one of them". The flags of clone3 are in
 * memory, where no filter reaches: it does not exist, and C libraries take clone instead.
 */
function namespaceRules(architecture: string): SeccompRule[] {
  const index = architecture === 's390x' ? 1 : 0
  const ofFlag = (flag: number) =>
    refusal(['clone'], [{ index, value: flag, valueTwo: flag, op: 'SCMP_CMP_MASKED_EQ' }])
  return [
    ...Object.values(CLONE_NEW).map(ofFlag),
    { names: ['clone3'], action: 'SCMP_ACT_ERRNO', errnoRet: constants.errno.ENOSYS },
  ]
}
