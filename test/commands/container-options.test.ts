/** What is wrong with options that shape the container is said before anything runs. */
import assert from 'node:assert/strict'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { seenWorkload } from '../helpers/workload-request.ts'

describe('what contradicts itself is refused before anything runs', () => {
  const cases: string[][] = [
    ['--tmpfs', '/x', '--tmpfs', '/x/'],
    ['--tmpfs', '/dev/shm', '--shm-size', '1m'],
    ['--dns', '1.1.1.1', '--tmpfs', '/etc/resolv.conf'],
    ['--add-hosts', 'a:1.1.1.1', '--tmpfs', '/etc/hosts'],
    ['--privileged', '--cap-drop', 'KILL'],
    ['--cap-add', 'KILL', '--cap-drop', 'CAP_KILL'],
    ['--cap-add', 'ALL', '--cap-drop', 'ALL'],
    ['--cap-add', 'ALL', '--cap-add', 'KILL'],
    ['--keep-cmd'],
    ['--keep-cmd', '--entrypoint', '["a"]', '--args', '["b"]'],
    ['--security-opt', 'seccomp=default', '--security-opt', 'seccomp=unconfined'],
    ['--ulimit', 'nofile=1', '--ulimit', 'nofile=2'],
  ]
  for (const words of cases)
    it(words.join(' '), () =>
      assert.rejects(seenWorkload(words), { code: 'OPTIONS_CONTRADICT', exitCode: 2 }),
    )
})

describe('what cannot be read is refused with what is wanted', () => {
  const cases: [words: string[], message: RegExp][] = [
    [['--tmpfs', 'run'], /absolute path/],
    [['--cwd', 'srv'], /absolute path/],
    [['--tmpfs', '/'], /the container's root is the image/],
    [['--tmpfs', '/proc/x'], /below \/proc/],
    [['--tmpfs', '/x:colour=red'], /no option "colour=red"/],
    [['--mount', 'type=bind,dst=/x'], /source is missing/],
    [['--mount', 'type=volume,src=a,dst=/x'], /no named volumes/],
    [['--mount', 'dst=/x'], /type=bind/],
    [['--mount', 'type=tmpfs,dst=/x,volume-opt=a'], /no key "volume-opt"/],
    [['--mount', 'type=tmpfs,dst=/x,dst=/y'], /given twice/],
    [['--mount', 'type=tmpfs,src=/,dst=/x'], /neither a source/],
    [['--mount', 'src=/,dst=/x,options=colour'], /no option "colour"/],
    [['--mount', 'src="/,dst=/x'], /quotes/],
    [['--volume', '/a'], /SRC:DST/],
    [['--volume', 'data:/x'], /no named volumes/],
    [['--volume', '/:/x:z'], /"z"/],
    [['--shm-size', '0'], /64m/],
    [['--cap-add', 'EVERYTHING'], /NET_ADMIN/],
    [['--security-opt', 'label=disable'], /seccomp=/],
    [['--security-opt', 'no-new-privileges=perhaps'], /no-new-privileges/],
    [['--device', 'fuse'], /VENDOR\/CLASS=NAME/],
    [['--device', '/dev/zero:zero'], /PATH/],
    [['--gpus', 'some'], /all, or indexes/],
    [['--ulimit', 'as=1'], /nofile/],
    [['--ulimit', 'nofile=2:1'], /above/],
    [['--ulimit', 'nofile=many'], /whole number/],
    [['--ulimit', 'nofile=18446744073709551616'], /whole number/],
    [['--memory', '1m'], /6291456/],
    [['--cpus', '0'], /0\.01/],
    [['--pids-limit', '1.5'], /whole number/],
    [['--label', '=x'], /KEY=VALUE/],
    [['--label', 'hotlayer.run/id=x'], /our own/],
    [['--hostname=-x'], /host name/],
    [['--hostname', 'x'.repeat(65)], /64/],
    [['--dns', 'dns.example'], /addresses/],
    [['--dns-search', 'a b'], /domains/],
    [['--dns-option', 'ndots 2'], /ndots:2/],
    [['--add-hosts', 'db'], /HOST:IP/],
    [['--add-hosts', 'db:10.0.0.256'], /HOST:IP/],
    [['--add-hosts', 'db:host-gateway'], /host-gateway/],
  ]
  for (const [words, message] of cases)
    it(words.join(' '), () =>
      assert.rejects(seenWorkload(words), { code: 'OPTION_INVALID', exitCode: 2, message }),
    )
})

describe('what this machine lacks is told before anything runs', () => {
  const missing = join(tmpdir(), 'no-such-file')
  const cases: [words: string[], code: string][] = [
    [['--env-file', missing], 'FILE_UNREADABLE'],
    [['--mount', `src=${missing},dst=/x`], 'MOUNT_SOURCE_MISSING'],
    [['--volume', `${missing}:/x`], 'MOUNT_SOURCE_MISSING'],
    [['--security-opt', `seccomp=${missing}`], 'FILE_UNREADABLE'],
    [['--device', '/dev/no-such-device'], 'DEVICE_MISSING'],
    [['--device', 'example.com/none=0'], 'DEVICE_UNKNOWN'],
    [['--gpus', '97'], 'DEVICE_UNKNOWN'],
    [['--runtime', 'no-such-runtime'], 'RUNTIME_MISSING'],
    [['--runtime', missing], 'RUNTIME_MISSING'],
  ]
  for (const [words, code] of cases)
    it(words.join(' '), () => assert.rejects(seenWorkload(words), { code, exitCode: 3 }))
})
