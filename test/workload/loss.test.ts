/** Both sides count: whatever does not add up makes the record incomplete. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type Accounts, lossReasons } from '../../optimizer/workload/loss.ts'
import type { Counters } from '../../shared/messages.ts'

const counters = (change: Partial<Counters> = {}): Counters => ({
  read: 9,
  merged: 2,
  sent: 5,
  overflows: 0,
  descriptorErrors: 0,
  unresolved: 0,
  deleted: 1,
  ignoredOwn: 1,
  ...change,
})

const sound: Accounts = {
  flushed: counters(),
  receivedAtFlush: 5,
  stopped: counters(),
  received: 5,
  sequenceGaps: 0,
  unnamedCopyUps: 0,
}

describe('a record is complete', () => {
  const complete: [string, Partial<Accounts>][] = [
    ['when as many accesses have arrived as were sent', {}],
    ['also with accesses between flush and stop', { stopped: counters({ read: 10, sent: 6 }), received: 6 }],
  ]
  for (const [name, change] of complete)
    it(name, () => assert.deepEqual(lossReasons({ ...sound, ...change }), []))
})

describe('a record is incomplete', () => {
  const incomplete: [string, Partial<Accounts>, RegExp][] = [
    ['when the queue has overflowed', { stopped: counters({ overflows: 1 }) }, /^1 overflows of the kernel/],
    [
      'when descriptors were lacking',
      { stopped: counters({ descriptorErrors: 2 }) },
      /^2 events without a desc/,
    ],
    ['when a path could not be read', { stopped: counters({ unresolved: 3 }) }, /^3 events whose path/],
    ['when a message is missing', { sequenceGaps: 1 }, /^1 gaps/],
    ['when a copy-up has no name', { unnamedCopyUps: 1 }, /^1 files copied up and renamed/],
    [
      'when one was lost before the flush',
      { receivedAtFlush: 4 },
      /sent 5 accesses until the flush, 4 arrived/,
    ],
    ['when one was lost at the end', { received: 4 }, /sent 5 accesses, 4 arrived/],
    ['when more arrived than were sent', { received: 6 }, /sent 5 accesses, 6 arrived/],
    [
      'when the notifier counts backwards',
      { stopped: counters({ read: 8 }) },
      /counted less at its end .*read/,
    ],
  ]
  for (const [name, change, pattern] of incomplete)
    it(name, () => {
      const reasons = lossReasons({ ...sound, ...change })
      assert.equal(reasons.length, 1)
      assert.match(reasons[0] as string, pattern)
    })
})
