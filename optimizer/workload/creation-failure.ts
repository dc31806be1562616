/** A runtime's words about a container that it could not create, as a sentence a person can act on. */
import { WorkloadError } from '../../shared/errors.ts'

/** @param words of runc or crun */
export function creationFailure(words: string, cause: unknown): WorkloadError {
  const options = { cause }
  // runc: exec: "NAME": WHY; crun: executable file `NAME` not found in $PATH: WHY, open `NAME`: WHY
  const [, command, why = ''] =
    /exec: "(.*?)": ([^:]*(?:: [^:]*)?)/s.exec(words) ??
    /(?:executable file|open|cannot exec|execve?) `(.*?)`:? (.*)$/s.exec(words) ??
    []
  if (command !== undefined && /not found in \$PATH/.test(why))
    return new WorkloadError(
      'COMMAND_NOT_FOUND',
      `the image has no command ${JSON.stringify(command)} in its PATH: check --entrypoint, --args and what --env makes of PATH`,
      options,
    )
  if (command !== undefined && /not found|no such file/i.test(why))
    return new WorkloadError(
      'COMMAND_NOT_FOUND',
      `the image has no command ${JSON.stringify(command)}, or lacks the interpreter it names: check --entrypoint and --args`,
      options,
    )
  if (command !== undefined && /permission denied|is a directory/i.test(why))
    return new WorkloadError(
      'COMMAND_NOT_EXECUTABLE',
      `${JSON.stringify(command)} in the image cannot be executed (${why.replace(/: unknown$/, '')}): check --entrypoint, --args and --user`,
      options,
    )
  const hint = HINTS.find(([pattern]) => pattern.test(words))?.[1]
  const said = words.replace(/: unknown$/, '')
  return new WorkloadError(
    'TASK_FAILED',
    `the runtime could not create the workload: ${said}${hint === undefined ? '' : `; ${hint}`}`,
    options,
  )
}

/** Which option may be meant by the runtime's words. */
const HINTS: [RegExp, string][] = [
  [/setting rlimit/, 'a --ulimit is above what the runtime may give (nofile: /proc/sys/fs/nr_open at most)'],
  [
    /unable to apply caps|set(?:ting)? capabilities/,
    'a --cap-add is a capability that whoever starts the runtime lacks',
  ],
  [
    /error mounting .*not a directory/s,
    'a file is shown over a file, a folder over a folder: check --volume and --mount',
  ],
  [
    /failed to resolve runtime path|failed to retrieve OCI runtime/,
    'check --runtime: it is no runtime, or not installed',
  ],
]
