/** Options that shape the container, as a workload in a real one sees them; and the same sight without the options. */
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, before, describe, it } from 'node:test'
import type { TestImage } from '../helpers/busybox-image.ts'
import { lackOfControllers, lackOfResourceCapability } from '../helpers/cgroup-v2.ts'
import { skipWithoutContainerd } from '../helpers/containerd.ts'
import { crunThatWorks } from '../helpers/crun.ts'
import { skipWithoutFanotify } from '../helpers/privilege.ts'
import { WorkloadBench } from '../helpers/workload.ts'
import { parsedWorkload } from '../helpers/workload-request.ts'

/** Each line is one sight, named by its first word. */
const SIGHTS = `
exec 2>/dev/null
echo env $A $B
echo host $(hostname)
echo volume $(cat /volume/file) $(echo x > /volume/made && echo written)
echo quoted $(cat '/a=b,c/file')
echo root $(echo x > /made && echo written)
echo run $(echo x > /run/made && echo written) $(grep -o ' /run tmpfs .*size=[0-9]*k' /proc/mounts)
echo shm $(grep -o ' /dev/shm .*size=[0-9]*k' /proc/mounts)
echo capabilities $(grep CapBnd /proc/self/status)
echo privileges $(grep NoNewPrivs /proc/self/status)
echo filter $(grep Seccomp: /proc/self/status)
echo userns $(unshare -U echo made)
echo files $(grep 'open files' /proc/self/limits)
echo device $(head -c 3 /dev/nothing | tr '\\0' z)
echo core $(grep 'core file' /proc/self/limits)
echo memlock $(grep 'locked memory' /proc/self/limits)
echo processes $(cat /sys/fs/cgroup/pids.max /sys/fs/cgroup/pids/pids.max)
echo cpus $(cat /sys/fs/cgroup/cpu.max /sys/fs/cgroup/cpu/cpu.cfs_quota_us)
echo hosts $(grep db /etc/hosts)
echo resolver $(cat /etc/resolv.conf)
`

describe('a container', { skip: skipWithoutContainerd() || skipWithoutFanotify() }, () => {
  let bench: WorkloadBench
  let image: TestImage
  let folder: string
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'workload-container-'))
    for (const name of ['volume', 'a=b,c']) {
      mkdirSync(join(folder, name))
      writeFileSync(join(folder, name, 'file'), `content of ${name}\n`)
    }
    writeFileSync(join(folder, 'env'), 'A=from the file\nB=from the file\n')
    bench = await WorkloadBench.open()
    image = await bench.image([{ 'run/': '', 'sbin/': '' }], { Env: ['PATH=/bin'] })
  })
  after(async () => {
    await bench?.close()
    rmSync(folder, { recursive: true })
  })
  afterEach(async () => assert.deepEqual(await bench.leftovers(), []))

  async function sights(
    words: string[],
    script = SIGHTS,
    onLine = () => {},
  ): Promise<Record<string, string>> {
    const { periodSeconds: _, ...options } = await parsedWorkload([
      ...words,
      ...['--entrypoint', JSON.stringify(['/bin/sh', '-c', script])],
    ])
    await bench.run(image, { options, onLine })
    return Object.fromEntries(
      bench.lines.map((line) => {
        const [name = '', ...rest] = line.split(/\s+/)
        return [name, rest.join(' ').trim()]
      }),
    )
  }

  it('is as it was asked for, and otherwise as usual', { skip: lackOfControllers() }, async () => {
    const asked = await sights([
      ...['--env-file', join(folder, 'env'), '--env', 'B=mine'],
      ...['--hostname', 'web-1', '--read-only', '--tmpfs', '/run:size=1m', '--shm-size', '2m'],
      ...['--volume', `${folder}/volume:/volume:ro`, '--mount', `"src=${folder}/a=b,c","dst=/a=b,c"`],
      ...['--cap-drop', 'ALL', '--cap-add', 'CHOWN', '--cap-add', 'CAP_KILL'],
      ...['--security-opt', 'seccomp=default', '--security-opt', 'no-new-privileges'],
      ...['--ulimit', 'nofile=100:200', '--ulimit', 'core=0', '--ulimit', 'memlock=4096:8192'],
      ...['--device', '/dev/zero:/dev/nothing:r'],
      ...['--pids-limit', '50', '--cpus', '0.5'],
      ...['--add-hosts', 'db:10.0.0.7,db6:fd00::7', '--dns', '9.9.9.9', '--dns-search', 'example.com'],
    ])
    const usual = await sights(['--volume', `${folder}/volume:/volume`])
    const expected: Record<string, [asked: RegExp, usual: RegExp]> = {
      env: [/^from the file mine$/, /^$/],
      host: [/^web-1$/, /^hotlayer$/],
      volume: [/^content of volume$/, /^content of volume written$/],
      quoted: [/^content of a=b,c$/, /^$/],
      root: [/^$/, /^written$/],
      run: [/^written \/run tmpfs .*size=1024k$/, /^written$/],
      shm: [/size=2048k$/, /size=65536k$/],
      capabilities: [/ 0000000000000021$/, / 00000000a80425fb$/],
      privileges: [/ 1$/, / 0$/],
      filter: [/ 2$/, / 0$/],
      userns: [/^$/, /^made$/],
      files: [/ 100 200 /, / 1024 1024 /],
      device: [/^zzz$/, /^$/],
      core: [/ 0 0 /, /^(?!.* 0 0 )/],
      memlock: [/ 4096 8192 /, /^(?!.* 4096 8192 )/],
      processes: [/^50$/, /^$/],
      cpus: [/^50000\b/, /^$/],
      hosts: [/^10\.0\.0\.7 db fd00::7 db6$/, /^$/],
      resolver: [/^nameserver 9\.9\.9\.9 search example\.com$/, /^$/],
    }
    for (const [name, [withOptions, without]] of Object.entries(expected)) {
      assert.match(asked[name] ?? 'not printed', withOptions, name)
      assert.match(usual[name] ?? 'not printed', without, name)
    }
    assert.deepEqual(Object.keys(asked), Object.keys(expected))
    assert.ok(existsSync(join(folder, 'volume/made')))
  })

  it('is run by crun, behind an init, with labels, and what a profile refuses is refused', {
    skip: lackOfResourceCapability(),
  }, async () => {
    const profile = join(folder, 'profile.json')
    const rule = { names: ['mkdir', 'mkdirat'], action: 'SCMP_ACT_ERRNO', errnoRet: 122 }
    writeFileSync(profile, JSON.stringify({ defaultAction: 'SCMP_ACT_ALLOW', syscalls: [rule] }))
    const script = 'echo init $(cat /proc/1/comm); echo made $(mkdir /x 2>&1)'
    const words = ['--runtime', crunThatWorks(folder), '--init', '--security-opt', `seccomp=${profile}`]
    const labelled = ['--label', 'team=a=b', '--volume', `${folder}/volume:/volume`]
    const waiting = `${script}; until [ -e /volume/seen ]; do sleep 0.01; done`
    let labels: Promise<Record<string, string>[]> | undefined
    const asked = await sights([...words, ...labelled], waiting, () => {
      labels ??= bench.containerd.client.containers.list('team').then((found) => {
        writeFileSync(join(folder, 'volume/seen'), '')
        return found.map((container) => container.labels)
      })
    })
    assert.deepEqual(
      (await labels)?.map(({ team }) => team),
      ['a=b'],
    )
    assert.match(asked.init ?? '', /^docker-init$/)
    assert.match(asked.made ?? '', /quota exceeded/i)
    assert.deepEqual(await sights([], script), { init: 'sh', made: '' })
  })

  it('that takes more memory than it may is killed', { skip: lackOfControllers() }, async () => {
    const script = 'exec busybox dd if=/dev/zero of=/dev/null bs=90M count=1'
    const killed = { code: 'WORKLOAD_FAILED', message: /status 137/ }
    bench.warnings.length = 0
    await assert.rejects(sights(['--memory', '32m'], script), killed)
    assert.match(bench.warnings.join(), /killed a process of the workload: it reached --memory/)
    bench.warnings.length = 0
    await sights(['--memory', '300m'], script)
    assert.deepEqual(bench.warnings, [])
  })

  it('that cannot be made is told with the option that may be meant', async () => {
    const refused = (words: string[], message: RegExp) =>
      assert.rejects(sights(words), { code: 'TASK_FAILED', exitCode: 4, message })
    await refused(['--ulimit', 'nofile=2000000000'], /a --ulimit is above/)
    await refused(['--volume', '/etc/passwd:/run'], /not a directory; a file is shown over a file/)
  })

  it('that is privileged has every capability and device, and may change what others only see', async () => {
    const script = `echo capabilities $(grep CapEff /proc/self/status)
      echo readonly $(grep -c ' /proc/sys ' /proc/mounts)
      echo sys $(grep ' /sys sysfs ' /proc/mounts)
      echo device $(test -c /dev/kmsg && echo there)`
    const asked = await sights(['--privileged'], script)
    const own = /^CapBnd:\s*(\S+)/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]
    assert.equal(asked.capabilities, `CapEff: ${own}`)
    assert.equal(asked.readonly, '0')
    assert.match(asked.sys ?? '', / rw,/)
    assert.equal(asked.device, existsSync('/dev/kmsg') ? 'there' : '')
    const usual = await sights([], script)
    assert.equal(usual.readonly, '1')
    assert.match(usual.sys ?? '', / ro,/)
    assert.equal(usual.device, '')
  })

  it('in the host network has copies of its files, which it may change', async () => {
    const script =
      'echo "10.0.0.9 late" >> /etc/hosts; echo hosts $(tail -n 2 /etc/hosts); echo resolver $(grep nameserver /etc/resolv.conf)'
    const asked = await sights(['--net-host', '--add-hosts', 'db:10.0.0.7', '--dns', '9.9.9.9'], script)
    assert.deepEqual(asked, { hosts: '10.0.0.7 db 10.0.0.9 late', resolver: 'nameserver 9.9.9.9' })
  })
})
