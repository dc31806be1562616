import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { formatReplay, hitError, replayOf } from '../../optimizer/plan/replay.ts'
import { analysisOf } from '../helpers/analysis.ts'

const RUN = replayOf(
  analysisOf([
    [
      { path: 'bin/sh', sizeBytes: 3000, hot: true, readAt: 0.1 },
      { path: 'etc/empty', sizeBytes: 0, readAt: 0.2 },
      { path: 'etc/late', sizeBytes: 900, readAt: 0.3 },
      { path: 'etc/idle', sizeBytes: 600, hot: true },
    ],
  ]),
)

describe('What a replay has found', () => {
  it('is told of files with content, by their paths', () => {
    assert.deepEqual(formatReplay(RUN).split('\n'), [
      'read: 2 files, 3.8 KiB (1.3 KiB compressed), those without content left aside',
      'hit: 1 file, 2.9 KiB (1000 B compressed): 50 % of the files, 77 % of the bytes',
      'missed: 1 file, 900 B (300 B compressed), fetched on demand',
      '  /etc/late (layer 0, 900 B)',
      'wasted: 1 file, 600 B (200 B compressed), never read, of the 1.2 KiB that are fetched ahead',
      '  /etc/idle (layer 0, 600 B)',
      '',
    ])
  })

  it('is below a minimum by what it says, and never rounded up to it', () => {
    assert.equal(hitError({ ...RUN, hitShare: { files: 0.95, bytes: 1 } }, 0.95), null)
    const error = hitError({ ...RUN, hitShare: { files: 0.9499, bytes: 0.29 } }, 0.95)
    assert.deepEqual([error?.code, error?.exitCode], ['HIT_BELOW_MINIMUM', 6])
    assert.match(
      error?.message ?? '',
      /^the hot zone had 94\.9 % of the files .* 29 % of .* asks for 95 % of both/,
    )
  })
})
