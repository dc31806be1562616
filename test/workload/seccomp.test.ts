import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { CAPABILITIES } from '../../optimizer/workload/spec/default-spec.ts'
import { parseSeccomp, type Seccomp } from '../../optimizer/workload/spec/seccomp.ts'
import { defaultSeccomp } from '../../optimizer/workload/spec/seccomp-default.ts'

const HOST = { capabilities: ['CAP_CHOWN'], architecture: 'amd64', kernel: { major: 5, minor: 10 } }
const parse = (profile: unknown, host = HOST) => parseSeccomp(JSON.stringify(profile), 'FILE', host)

describe('a seccomp profile', () => {
  it('in the form of a runtime spec is taken as it is', () => {
    const profile: Seccomp = {
      defaultAction: 'SCMP_ACT_ERRNO',
      defaultErrnoRet: 38,
      architectures: ['SCMP_ARCH_X86_64'],
      flags: ['SECCOMP_FILTER_FLAG_LOG'],
      syscalls: [
        {
          names: ['socket'],
          action: 'SCMP_ACT_ALLOW',
          args: [{ index: 0, value: 1, valueTwo: 0, op: 'SCMP_CMP_EQ' }],
        },
      ],
    }
    assert.deepEqual(parse(profile), profile)
  })

  it("in docker's form has the rules whose conditions hold", () => {
    const rule = (name: string, conditions: object) => ({
      names: [name],
      action: 'SCMP_ACT_ALLOW',
      ...conditions,
    })
    const names = parse({
      defaultAction: 'SCMP_ACT_ERRNO',
      syscalls: [
        rule('always', { includes: {}, excludes: {} }),
        rule('has', { includes: { caps: ['CAP_CHOWN'] } }),
        rule('has not', { includes: { caps: ['CAP_CHOWN', 'CAP_KILL'] } }),
        rule('excluded', { excludes: { caps: ['CAP_CHOWN'] } }),
        rule('not excluded', { excludes: { caps: ['CAP_KILL'] } }),
        rule('this architecture', { includes: { arches: ['amd64', 'x32'] } }),
        rule('another', { includes: { arches: ['arm64'] } }),
        rule('old enough', { includes: { minKernel: '4.8' } }),
        rule('too new', { includes: { minKernel: '5.11' } }),
        { name: 'in the old form', action: 'SCMP_ACT_ALLOW', args: null },
      ],
    }).syscalls?.flatMap((each) => each.names)
    const wanted = ['always', 'has', 'not excluded', 'this architecture', 'old enough', 'in the old form']
    assert.deepEqual(names, wanted)
  })

  it("in docker's form names the architectures of this one", () => {
    const archMap = [
      { architecture: 'SCMP_ARCH_AARCH64', subArchitectures: ['SCMP_ARCH_ARM'] },
      { architecture: 'SCMP_ARCH_X86_64', subArchitectures: ['SCMP_ARCH_X86'] },
    ]
    const of = (architecture: string) =>
      parse({ defaultAction: 'SCMP_ACT_ALLOW', archMap }, { ...HOST, architecture }).architectures
    assert.deepEqual(of('amd64'), ['SCMP_ARCH_X86_64', 'SCMP_ARCH_X86'])
    assert.deepEqual(of('arm64'), ['SCMP_ARCH_AARCH64', 'SCMP_ARCH_ARM'])
    assert.equal(of('riscv64'), undefined)
  })

  it('that is none is refused with what is wrong', () => {
    const refused = (text: string, message: RegExp) =>
      assert.throws(() => parseSeccomp(text, 'FILE', HOST), { code: 'SECCOMP_INVALID', exitCode: 2, message })
    refused('{', /FILE is no seccomp profile/)
    refused('[]', /not a JSON object/)
    refused('{}', /defaultAction/)
    refused('{"defaultAction":"x","syscalls":{}}', /not an array/)
    refused('{"defaultAction":"x","syscalls":[{"action":"x"}]}', /syscalls\[0\] names no system call/)
    refused('{"defaultAction":"x","syscalls":[{"names":["a"]}]}', /"action"/)
  })
})

describe('our own profile', () => {
  const refused = (capabilities: readonly string[]) =>
    new Set(
      defaultSeccomp(capabilities, 'amd64')
        .syscalls?.filter(({ args }) => args === undefined)
        .flatMap(({ names }) => names),
    )

  it('refuses what needs a capability that the container lacks, and lets the kernel decide where it has it', () => {
    const usual = refused(CAPABILITIES)
    for (const name of ['mount', 'bpf', 'init_module', 'kexec_load', 'unshare', 'clone3', 'keyctl'])
      assert.ok(usual.has(name), name)
    assert.ok(!usual.has('chroot'))
    assert.ok(refused([]).has('chroot'))
    const admin = refused(['CAP_SYS_ADMIN'])
    for (const name of ['mount', 'bpf', 'unshare', 'clone3']) assert.ok(!admin.has(name), name)
    assert.ok(admin.has('kexec_load'))
  })

  it('refuses no call that common programs make', () => {
    const common = [
      ...['read', 'write', 'openat', 'openat2', 'mmap', 'execve', 'clone', 'fork', 'vfork', 'wait4', 'futex'],
      ...[
        'socket',
        'accept4',
        'epoll_wait',
        'prctl',
        'seccomp',
        'setuid',
        'chown',
        'getrandom',
        'rseq',
        'statx',
      ],
      ...[
        'inotify_init1',
        'memfd_create',
        'copy_file_range',
        'ptrace',
        'personality',
        'mknod',
        'name_to_handle_at',
      ],
    ]
    const usual = refused(CAPABILITIES)
    assert.deepEqual(
      common.filter((name) => usual.has(name)),
      [],
    )
  })
})
