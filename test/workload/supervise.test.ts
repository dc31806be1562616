import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ContainerdUnavailableError } from '../../optimizer/containerd/errors.ts'
import type { TaskStatus } from '../../optimizer/containerd/tasks.ts'
import { startTask, waitForTask } from '../../optimizer/workload/containerd/outage.ts'
import { untilAborted } from '../../optimizer/workload/stop-rules/until.ts'
import { firstEnd, type Supervised } from '../../optimizer/workload/supervise.ts'
import { InterruptedError, NotFoundError } from '../../shared/errors.ts'
import { SILENT_LOG } from '../../shared/log.ts'

const NEVER = new Promise<never>(() => {})
const GONE = { code: null, signal: 'SIGKILL', stderrTail: '' }

function supervised(changes: Partial<Supervised>): Supervised {
  const over = (signal: AbortSignal) => untilAborted(NEVER, signal)
  return { task: NEVER, notifierEnded: NEVER, over, signal: new AbortController().signal, ...changes }
}

describe('a run is over', () => {
  it('when the workload ends', async () => {
    const end = await firstEnd(supervised({ task: Promise.resolve({ exitStatus: 7 }) }))
    assert.deepEqual(end, { by: 'exit', task: { exitStatus: 7 } })
  })

  it('when the stop rules say so', async () => {
    const stop = { rule: 'wait-on-line', reason: 'the line came', readySeconds: 1 }
    assert.deepEqual(await firstEnd(supervised({ over: async () => stop })), { by: 'rule', stop })
  })

  it('when the notifier ends', async () => {
    assert.deepEqual(await firstEnd(supervised({ notifierEnded: Promise.resolve(GONE) })), { by: 'notifier' })
  })

  it('when the person interrupts it, also if that ends the notifier', async () => {
    const interruption = new AbortController()
    const reason = new InterruptedError()
    const ending = firstEnd(supervised({ signal: interruption.signal, notifierEnded: Promise.resolve(GONE) }))
    interruption.abort(reason)
    await assert.rejects(ending, reason)
    await assert.rejects(firstEnd(supervised({ signal: interruption.signal })), reason)
  })

  it('when nobody can tell any more whether it is', async () => {
    await assert.rejects(
      firstEnd(supervised({ task: Promise.reject(new Error('lost sight')) })),
      /lost sight/,
    )
  })

  it('and not before its stop rules have put away what they had running', async () => {
    let away = false
    const over = async (signal: AbortSignal) => {
      await untilAborted(NEVER, signal).catch(() => {})
      await new Promise((done) => setImmediate(done))
      away = true
      throw signal.reason
    }
    await firstEnd(supervised({ task: Promise.resolve({ exitStatus: 0 }), over }))
    assert.equal(away, true)
  })
})

describe('waiting for a task', () => {
  /** Answers in turn: numbers are exit statuses, errors are thrown. */
  function tasks(waits: (number | Error)[], statuses: (Error | null)[] = []) {
    return {
      wait: async () => {
        const answer = waits.shift()
        if (answer instanceof Error) throw answer
        return answer as number
      },
      status: async () => {
        const answer = statuses.shift()
        if (answer instanceof Error) throw answer
        return 'running' as const
      },
    }
  }
  const away = new ContainerdUnavailableError('away')

  it('gives its exit status', async () => {
    assert.deepEqual(await waitForTask(tasks([3]), 't', SILENT_LOG), { exitStatus: 3 })
  })

  it('goes on when containerd comes back', async () => {
    const restarted = tasks([away, 0], [away, away, null])
    assert.deepEqual(await waitForTask(restarted, 't', SILENT_LOG), { exitStatus: 0 })
  })

  it('ends without a status when containerd comes back and no longer knows the task', async () => {
    const forgetful = tasks([away], [away, new NotFoundError('no such task')])
    assert.deepEqual(await waitForTask(forgetful, 't', SILENT_LOG), { exitStatus: null })
  })

  it('throws what is no absence', async () => {
    await assert.rejects(waitForTask(tasks([new Error('odd')]), 't', SILENT_LOG), /odd/)
  })
})

describe('starting a task', () => {
  const away = new ContainerdUnavailableError('away')
  const answering = (starts: (Error | null)[], statuses: (TaskStatus | Error)[]) => {
    const next = async <T>(answers: (T | Error)[]) => {
      const answer = answers.shift()
      if (answer instanceof Error) throw answer
      return answer as T
    }
    return { start: () => next<null>(starts).then(() => {}), status: () => next(statuses) }
  }

  it('again when containerd went away before it was done', async () => {
    const starts = [away, null]
    await startTask(answering(starts, [away, 'created']), 't', SILENT_LOG)
    assert.deepEqual(starts, [])
  })

  it('not again when only the answer was lost', async () => {
    const starts = [away, null]
    await startTask(answering(starts, ['running']), 't', SILENT_LOG)
    assert.deepEqual(starts, [null])
  })

  it('not again when it has ended meanwhile and is forgotten', async () => {
    await startTask(answering([away], [new NotFoundError('no such task')]), 't', SILENT_LOG)
  })

  it('throws what is no absence', async () => {
    await assert.rejects(
      startTask(answering([new NotFoundError('gone')], []), 't', SILENT_LOG),
      NotFoundError,
    )
  })
})
