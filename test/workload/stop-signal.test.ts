import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { describe, it } from 'node:test'
import { initTakesSignal, signalName, stopSignalNumber } from '../../optimizer/workload/stop-signal.ts'

describe('the stop signal of an image', () => {
  const cases: [string | undefined, number][] = [
    [undefined, 15],
    ['', 15],
    ['SIGQUIT', 3],
    ['quit', 3],
    ['9', 9],
    ['SIGRTMIN+3', 37],
    ['RTMAX-1', 63],
    ['SIGWINCH', 28],
  ]
  for (const [text, number] of cases)
    it(`${text ?? 'not named'} is ${number}`, () => assert.equal(stopSignalNumber(text), number))

  it('is told by its name, if it has one', () => {
    assert.deepEqual([15, 3, 37].map(signalName), ['SIGTERM', 'SIGQUIT', 'signal 37'])
  })

  it('must be a signal of Linux', () => {
    for (const text of ['SIGNONE', '0', '65', '-1', '1.5', 'SIGRTMIN+40', 'RTMAX+1'])
      assert.throws(() => stopSignalNumber(text), { code: 'STOP_SIGNAL_INVALID', exitCode: 3 }, text)
  })
})

describe('a process that is the first of its namespace', () => {
  it('takes a signal when it handles it', async () => {
    const shell = spawn('sh', ['-c', "trap 'exit 0' TERM; trap '' USR1; echo; read line"], {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    await once(shell.stdout, 'data')
    const pid = shell.pid as number
    assert.equal(initTakesSignal(pid, 15), true)
    assert.equal(initTakesSignal(pid, 10), false)
    assert.equal(initTakesSignal(pid, 3), false)
    shell.stdin.end()
    await once(shell, 'exit')
  })

  it('is given the signal when nothing is known of it', () => {
    assert.equal(initTakesSignal(2 ** 22 + 1, 15), true)
  })
})
