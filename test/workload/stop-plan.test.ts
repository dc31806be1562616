/** Stop rules together: when a run is over, why, and whether that is a success. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { NewFileClock, settleRule } from '../../optimizer/workload/stop-rules/settle.ts'
import { type DriveRule, StopPlan, type StopRules } from '../../optimizer/workload/stop-rules/stop-plan.ts'
import type { StopRule } from '../../optimizer/workload/stop-rules/stop-rule.ts'
import { untilAborted } from '../../optimizer/workload/stop-rules/until.ts'
import { PHASE } from '../../shared/messages.ts'

const never: StopRule = { name: 'never', met: (signal) => untilAborted(new Promise<never>(() => {}), signal) }
const met = (name: string, reason: string): StopRule => ({ name, met: async () => reason })

const none: StopRules = { ending: [], ready: [], drive: null, settle: null, periodSeconds: undefined }
const drives = (reason: string, done: boolean): DriveRule => ({ name: 'exec', met: async () => reason, done })

async function over(rules: Partial<StopRules>): Promise<{ plan: StopPlan; rule: string; reason: string }> {
  const plan = new StopPlan({ ...none, ...rules })
  const { rule, reason } = await plan.over(new AbortController().signal)
  return { plan, rule, reason }
}

describe('a run without rules that make it ready', () => {
  it('ends when its period has passed', async () => {
    const { plan, rule, reason } = await over({ periodSeconds: 0.01 })
    assert.deepEqual(
      [rule, reason, plan.ready, plan.readySeconds],
      ['period', '0.01 s had passed', true, null],
    )
  })

  it('ends when a person says so, however long that takes', async () => {
    const person = { name: 'wait-on-signal', met: async () => 'SIGINT came' }
    assert.equal((await over({ ending: [person] })).rule, 'wait-on-signal')
  })

  it('ends at the period that was given, if the person says nothing', async () => {
    const { plan, rule } = await over({ ending: [never], periodSeconds: 0.01 })
    assert.deepEqual([rule, plan.ready], ['period', true])
  })

  it('is settled when no new file comes', async () => {
    const settle = settleRule(0.01, new NewFileClock())
    const { plan, rule, reason } = await over({ settle })
    assert.deepEqual([rule, reason, plan.ready], ['settle', 'no new file for 0.01 s', true])
  })
})

describe('a run with rules that make it ready', () => {
  it('ends when all of them are met, and names them', async () => {
    const ready = [met('wait-on-line', 'stdout has said "a"'), met('ready-tcp', 'port 80 took a connection')]
    const { plan, rule, reason } = await over({ ready })
    assert.equal(rule, 'ready-tcp')
    assert.equal(reason, 'stdout has said "a" and port 80 took a connection')
    assert.equal(plan.ready, true)
    assert.ok(plan.readySeconds !== null)
  })

  it('is not over while one of them is not met: the period passes, and what was found last is told', async () => {
    const asked = { ...never, name: 'asked', found: () => 'nobody is at home' }
    const ready = [met('a', 'a'), never, asked]
    const { plan, rule, reason } = await over({ ready, periodSeconds: 0.02 })
    assert.deepEqual([rule, plan.ready, plan.readySeconds], ['period', false, null])
    assert.equal(reason, '0.02 s had passed before it was ready (--a, --never, --asked: nobody is at home)')
  })

  it('was ready if the last words of a workload that has ended say so', async () => {
    let said = false
    const line: StopRule = { ...never, metByNow: () => said }
    const plan = new StopPlan({ ...none, ready: [met('a', 'a'), line], periodSeconds: 60 })
    const exit = new AbortController()
    const over = plan.over(exit.signal)
    setImmediate(() => exit.abort(new Error('it ended')))
    await assert.rejects(over)
    plan.hearLastWords(7)
    assert.deepEqual([plan.ready, plan.readySeconds], [false, null])
    said = true
    plan.hearLastWords(7)
    assert.deepEqual([plan.ready, plan.readySeconds], [true, 7])
  })

  it('was not if a rule about something else is not met', () => {
    const line: StopRule = { ...never, metByNow: () => true }
    const plan = new StopPlan({ ...none, ready: [line, never], periodSeconds: 60 })
    plan.hearLastWords(7)
    assert.equal(plan.ready, false)
  })

  it('settles after that', async () => {
    const settle = settleRule(0.01, new NewFileClock())
    const { rule, reason } = await over({ ready: [met('a', 'it said a')], settle })
    assert.deepEqual([rule, reason], ['settle', 'it said a, then no new file for 0.01 s'])
  })

  it('is a success when the period passes while it settles', async () => {
    const { plan, rule, reason } = await over({ ready: [met('a', 'a')], settle: never, periodSeconds: 0.02 })
    assert.deepEqual([rule, reason, plan.ready], ['period', '0.02 s had passed, ready before', true])
  })

  it('asks nobody any more once it is over, and waits for what they put away', async () => {
    let away = false
    const busy: StopRule = {
      name: 'busy',
      met: async (signal) => {
        await untilAborted(new Promise<never>(() => {}), signal).catch(() => {})
        await new Promise((done) => setImmediate(done))
        away = true
        throw signal.reason
      },
    }
    await over({ ready: [busy], periodSeconds: 0.01 })
    assert.equal(away, true)
  })

  it('fails when a rule fails', async () => {
    const broken: StopRule = { name: 'broken', met: () => Promise.reject(new Error('broken')) }
    await assert.rejects(over({ ready: [broken] }), /broken/)
  })

  it('ends with the reason of whoever calls it off', async () => {
    const plan = new StopPlan({ ...none, ready: [never], settle: never, periodSeconds: 600 })
    const off = new AbortController()
    const ending = plan.over(off.signal)
    off.abort(new Error('called off'))
    await assert.rejects(ending, /called off/)
  })
})

describe('a run with something to be done', () => {
  const settle = settleRule(0.01, new NewFileClock())

  it('ends when that is done, once it is ready', async () => {
    const { plan, rule, reason } = await over({
      ready: [met('a', 'it said a')],
      drive: drives('driven', true),
    })
    assert.deepEqual([rule, reason, plan.driven], ['exec', 'it said a, then driven', true])
  })

  it('settles after that', async () => {
    const { rule, reason } = await over({ drive: drives('driven', true), settle })
    assert.deepEqual([rule, reason], ['settle', 'driven, then no new file for 0.01 s'])
  })

  it('ends when it fails, and nothing else is the reason', async () => {
    const ready = [met('a', 'it said a')]
    const { plan, rule, reason } = await over({ ready, drive: drives('it failed', false), settle })
    assert.deepEqual([rule, reason, plan.ready, plan.driven], ['exec', 'it failed', true, false])
  })

  it('does not begin before it is ready', async () => {
    let begun = false
    const drive: DriveRule = {
      name: 'exec',
      done: false,
      met: async () => {
        begun = true
        return ''
      },
    }
    const { plan } = await over({ ready: [never], drive, periodSeconds: 0.02 })
    assert.deepEqual([begun, plan.ready, plan.driven], [false, false, false])
  })

  it('is not done when the period passes meanwhile, and what had not ended is told', async () => {
    const drive: DriveRule = { ...never, done: false, found: () => '--exec ["a"] has not ended' }
    const { plan, rule, reason } = await over({ drive, periodSeconds: 0.02 })
    assert.deepEqual([rule, plan.ready, plan.driven], ['period', true, false])
    assert.equal(reason, '0.02 s had passed before it was driven (--exec ["a"] has not ended)')
  })

  it('is a success when the period passes while it settles', async () => {
    const { plan, reason } = await over({ drive: drives('driven', true), settle: never, periodSeconds: 0.02 })
    assert.deepEqual([reason, plan.driven], ['0.02 s had passed, driven before', true])
  })
})

describe('settling', () => {
  const access = (path: string) => ({
    path: Buffer.from(path),
    kinds: 1,
    pid: 1,
    elapsedMicroseconds: 0,
    phase: PHASE.run,
    sizeBytes: 0,
    command: null,
  })

  it('begins anew with every new file, and not with one that came before', async () => {
    const clock = new NewFileClock()
    clock.see([access('/a')])
    const first = clock.lastAtMs
    assert.ok(first > 0)
    clock.see([access('/a')])
    assert.equal(clock.lastAtMs, first)
    clock.see([access('/b')])
    assert.ok(clock.lastAtMs > first)
  })

  it('takes as long as it says after the last new file', async () => {
    const clock = new NewFileClock()
    const settled = settleRule(0.2, clock).met(new AbortController().signal)
    // It counts from its call, and then anew.
    await new Promise((done) => setImmediate(done))
    clock.see([access('/late')])
    await settled
    assert.ok(performance.now() >= clock.lastAtMs + 200)
  })
})
