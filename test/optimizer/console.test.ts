import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Console, formatBytes, formatSeconds, type LogLevel, printable } from '../../optimizer/console.ts'

const CLEAR = '\r\x1b[K'

function written(
  level: LogLevel,
  use: (console: Console) => void,
  terminal: { columns?: number } | null = null,
) {
  const pieces: string[] = []
  const stream = { write: (piece: string) => pieces.push(piece), isTTY: terminal !== null, ...terminal }
  use(new Console(level, stream))
  return pieces.join('')
}

describe('the console', () => {
  const all = (console: Console) => {
    console.debug('d')
    console.info('i')
    console.warn('w')
  }

  it('writes what the level lets through, a line each', () => {
    assert.equal(written('debug', all), 'd\ni\nwarning: w\n')
    assert.equal(written('info', all), 'i\nwarning: w\n')
    assert.equal(written('warn', all), 'warning: w\n')
    assert.equal(written('quiet', all), '')
  })

  it('lets no control character of a file name or a workload through', () => {
    assert.equal(
      written('info', (console) => console.info('a\x1b[2Jb\rc\x9bd')),
      'a\\x1b[2Jb\\x0dc\\x9bd\n',
    )
    assert.equal(printable('tab\there, line\nthere, ünïcode 猫'), 'tab\there, line\nthere, ünïcode 猫')
  })

  it('draws a live line on a terminal only', () => {
    const draw = (console: Console) => console.live('half done')
    assert.equal(written('info', draw), '')
    assert.equal(written('info', draw, {}), `${CLEAR}half done`)
    assert.equal(written('warn', draw, {}), '')
  })

  it('takes the live line away before a line, and at the end', () => {
    const text = written(
      'info',
      (console) => {
        console.live('half done')
        console.info('a line')
        console.endLive()
      },
      {},
    )
    assert.equal(text, `${CLEAR}half done${CLEAR}a line\n`)
  })

  it('cuts the live line to the terminal, so that it is one line', () => {
    assert.equal(
      written('info', (console) => console.live('0123456789'), { columns: 5 }),
      `${CLEAR}0123`,
    )
  })

  it('does not redraw more often than a person can see', () => {
    const text = written(
      'info',
      (console) => {
        for (let percent = 0; percent < 100; percent++) console.live(`${percent} %`)
      },
      {},
    )
    assert.ok(text.split(CLEAR).length < 20)
  })
})

describe('amounts', () => {
  it('of bytes are in the largest unit that has a whole one', () => {
    assert.deepEqual([0, 1023, 1024, 1536, 1024 ** 2, 5 * 1024 ** 4, 9000 * 1024 ** 4].map(formatBytes), [
      '0 B',
      '1023 B',
      '1.0 KiB',
      '1.5 KiB',
      '1.0 MiB',
      '5.0 TiB',
      '9000.0 TiB',
    ])
  })

  it('of time have hundredths of seconds below ten', () => {
    assert.deepEqual([0, 1.234, 9.99, 12.34].map(formatSeconds), ['0.00 s', '1.23 s', '9.99 s', '12.3 s'])
  })
})
