import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  Console,
  type ConsoleOptions,
  formatBytes,
  formatSeconds,
  type LogLevel,
  printable,
} from '../../optimizer/console.ts'

const CLEAR = '\r\x1b[K'

function written(
  level: LogLevel,
  use: (console: Console) => void,
  terminal: { columns?: number } | null = null,
  options: ConsoleOptions = { env: { NO_COLOR: '1' } },
) {
  const pieces: string[] = []
  const stream = { write: (piece: string) => pieces.push(piece), isTTY: terminal !== null, ...terminal }
  use(new Console(level, { stream, ...options }))
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
    assert.equal(
      written('info', (console) => console.live('x'.repeat(100)), { columns: 0 }),
      `${CLEAR}${'x'.repeat(79)}`,
    )
    assert.equal(
      written('info', (console) => console.live('a\nb\x1b[2J'), {}),
      `${CLEAR}a\\nb\\x1b[2J`,
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

describe('the console for programs', () => {
  const lines = (level: LogLevel, use: (console: Console) => void) =>
    written(level, use, {}, { format: 'json' })
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => {
        const { time, ...rest } = JSON.parse(line)
        assert.match(time, /^\d{4}-.*Z$/)
        return rest
      })

  it('writes an object a line, with what is known beside the message', () => {
    const written = lines('debug', (console) => {
      console.debug('d')
      console.info('unpack: overlayfs', { stage: 'unpack' })
      console.warn('w')
      console.error('it failed', { code: 'A_CODE', exitCode: 3 }, ['first', 'second'])
    })
    assert.deepEqual(written, [
      { level: 'debug', message: 'd' },
      { level: 'info', message: 'unpack: overlayfs', stage: 'unpack' },
      { level: 'warn', message: 'w' },
      { level: 'error', message: 'it failed', code: 'A_CODE', exitCode: 3, causes: ['first', 'second'] },
    ])
  })

  it('has no live line, and tells errors at every level', () => {
    const written = lines('quiet', (console) => {
      console.live('half done')
      console.warn('w')
      console.error('it failed', { code: 'A_CODE' })
    })
    assert.deepEqual(written, [{ level: 'error', message: 'it failed', code: 'A_CODE' }])
  })

  it('keeps every byte of a message, and a line one line', () => {
    const text = written('info', (console) => console.info('a\nb\x1b[2J\x9bc'), null, { format: 'json' })
    assert.equal(JSON.parse(text).message, 'a\nb\x1b[2J\x9bc')
    assert.match(text, /^[\x20-\x7e]+\n$/)
  })
})

describe('colours', () => {
  const all = (console: Console) => {
    console.info('unpack: overlayfs', { stage: 'unpack' })
    console.warn('w')
    console.error('it failed', { code: 'A_CODE' })
  }
  const plain = 'unpack: overlayfs\nwarning: w\noptimizer: it failed [A_CODE]\n'

  it('are for a terminal alone', () => {
    assert.equal(written('info', all, null, { env: {} }), plain)
    assert.equal(
      written('info', all, {}, { env: {} }),
      '\x1b[1munpack\x1b[22m: overlayfs\n\x1b[33mwarning:\x1b[39m w\n\x1b[31moptimizer:\x1b[39m it failed [A_CODE]\n',
    )
  })

  it('go with NO_COLOR and a terminal that has none, and come with FORCE_COLOR', () => {
    for (const env of [
      { NO_COLOR: '1' },
      { TERM: 'dumb' },
      { FORCE_COLOR: '0' },
      { NO_COLOR: '1', FORCE_COLOR: '1' },
    ])
      assert.equal(written('info', all, {}, { env }), plain, JSON.stringify(env))
    assert.ok(written('info', all, null, { env: { FORCE_COLOR: '1' } }).includes('\x1b'))
    assert.ok(written('info', all, {}, { env: { NO_COLOR: '' } }).includes('\x1b'))
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
