/** A command at a terminal, as a person has it: a pseudo-terminal, keys that are typed at it, and what is then on it. */
import { spawnSync } from 'node:child_process'

/**
 * A person at a terminal: runs a command on it, waits for what is expected, and does something about it. Prints what
 * was to be seen, then the command's status and whether the terminal's mode is what it was.
 */
const PERSON = `
import fcntl, json, os, pty, signal, struct, sys, termios, time
steps, size, command = json.loads(sys.argv[1]), json.loads(sys.argv[2]), sys.argv[3:]
terminal, side = pty.openpty()
def resize(rows, columns): fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
resize(*size)
before = termios.tcgetattr(side)
report, reporter = os.pipe()
held, holder = os.pipe()
if os.fork() == 0:
  # In place of a shell, which owns the terminal and outlives the command.
  os.close(holder)
  os.setsid()
  fcntl.ioctl(side, termios.TIOCSCTTY, 0)
  signal.signal(signal.SIGINT, signal.SIG_IGN)
  pid = os.fork()
  if pid == 0:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.dup2(side, 0)
    os.dup2(side, 2)
    os.execv(command[0], command)
  os.write(reporter, b"%d " % pid)
  os.write(reporter, b"%d " % os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
  os.read(held, 1)
  os._exit(0)
pid = int(os.read(report, 16))
os.set_blocking(report, False)
os.set_blocking(terminal, False)
seen, at, status, deadline = b"", 0, None, time.monotonic() + 120
while status is None:
  try: seen += os.read(terminal, 4096)
  except BlockingIOError:
    try: status = int(os.read(report, 16))
    except BlockingIOError: time.sleep(0.01)
    if time.monotonic() > deadline: os.kill(pid, signal.SIGTERM)
  while steps and seen.find(steps[0][0].encode(), at) >= 0:
    expected, action, value = steps.pop(0)
    at = seen.find(expected.encode(), at) + len(expected)
    if action == "type": os.write(terminal, value.encode())
    if action == "resize": resize(*value)
    if action == "signal": os.kill(pid, getattr(signal, value))
# What it has said last may have come between the two reads.
try: seen += os.read(terminal, 65536)
except BlockingIOError: pass
# Who gives the mode back is another process when the command was killed.
deadline = time.monotonic() + 60
while termios.tcgetattr(side) != before and time.monotonic() < deadline: time.sleep(0.01)
print(json.dumps({"seen": seen.decode("latin1"), "status": status, "restored": termios.tcgetattr(side) == before}))
`

/** What is done as soon as the text is seen behind what was waited for before; '' is seen at once. */
export type TerminalStep = [expected: string, action: 'type' | 'resize' | 'signal', value: unknown]

export interface AtTerminal {
  /** All that the terminal was sent, a character for each byte. */
  seen: string
  /** Below 0: the number of the signal that ended it. */
  status: number
  /** Whether the terminal's mode is what it was. */
  restored: boolean
  /** Of the command, which has a pipe there. */
  stdout: string
  /** What went wrong with the terminal itself. */
  stderr: string
}

/** @param command with its path; stdin, stderr and /dev/tty are the terminal */
export function runAtTerminal(
  command: readonly string[],
  steps: readonly TerminalStep[],
  { env, rows = 33, columns = 101 }: { env?: NodeJS.ProcessEnv; rows?: number; columns?: number } = {},
): AtTerminal {
  const words = [JSON.stringify(steps), JSON.stringify([rows, columns]), ...command]
  const person = spawnSync('python3', ['-c', PERSON, ...words], {
    encoding: 'utf8',
    timeout: 240_000,
    ...(env === undefined ? {} : { env }),
  })
  const lines = person.stdout.split('\n').filter((line) => line !== '')
  const { seen, status, restored } = JSON.parse(lines.pop() ?? '{}')
  return { seen: String(seen), status, restored, stdout: lines.join('\n'), stderr: person.stderr }
}

const ESCAPE = '\x1b'
/** A control sequence, or any character. */
const PIECE = new RegExp(`${ESCAPE}\\[[\\d;]*[A-Za-z]|.`, 'gs')

/** What stands on a terminal of so many columns in the end, row by row; rows that were scrolled away, too. */
export function screen(text: string, columns: number): string[] {
  const rows: string[] = ['']
  let column = 0
  const put = (character: string) => {
    if (column === columns) {
      rows.push('')
      column = 0
    }
    const row = (rows.at(-1) as string).padEnd(column)
    rows[rows.length - 1] = row.slice(0, column) + character + row.slice(column + 1)
    column++
  }
  for (const [piece] of text.matchAll(PIECE)) {
    if (piece === '\r') column = 0
    else if (piece === '\n') rows.push(' '.repeat(column))
    else if (piece === `${ESCAPE}[K`) rows[rows.length - 1] = (rows.at(-1) as string).slice(0, column)
    else if (!piece.startsWith(ESCAPE)) put(piece)
  }
  return rows.map((row) => row.trimEnd())
}
