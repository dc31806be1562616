/** A notifier of version 1.0, by what it once sent, is understood as it was then. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { NotifierProcess } from '../../optimizer/workload/notifier-process.ts'
import { SILENT_LOG } from '../../shared/log.ts'
import type { Access } from '../../shared/messages.ts'
import { skipWithoutFanotify } from '../helpers/privilege.ts'
import { notifierMessages, optimizerMessages, recordedSessions } from '../helpers/recorded-sessions.ts'
import { notifierProgram } from './fault-bench.ts'

const REPLAYING = fileURLToPath(new URL('./replaying-notifier.js', import.meta.url))

describe('a recorded session of version 1.0', { skip: skipWithoutFanotify() }, () => {
  let folder: string
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'optimizer-replay-'))
  })
  after(() => rmSync(folder, { recursive: true }))

  for (const session of recordedSessions()) {
    it(`gives the optimizer what it gave then: ${session.name}`, async () => {
      const command = notifierProgram(folder, ['env', `REPLAY=${session.name}`, process.execPath, REPLAYING])
      const notifier = await NotifierProcess.spawn({ log: SILENT_LOG, command })
      assert.deepEqual(notifier.hello.version, { major: 1, minor: 0 })
      for (const message of await optimizerMessages(session)) {
        if (message.type === 'mark' && 'path' in message) await notifier.mark(message)
        if (message.type === 'started') await notifier.started()
        if (message.type === 'flush') await notifier.flush()
      }
      const counters = await notifier.stop()
      const then: Access[] = (await notifierMessages(session)).flatMap((message) =>
        message.type === 'accesses' ? message.entries : [],
      )
      assert.deepEqual(notifier.accesses, then)
      assert.equal(counters.sent, then.length)
      assert.equal(notifier.sequenceGaps, 0)
    })
  }
})
