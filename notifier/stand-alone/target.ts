/** What is watched: a process in a mount namespace that is not ours. */

export interface TargetEnd {
  /** Exit status, or null where a signal ended it or it is not our child. */
  status: number | null
  /** The signal that ended it. */
  signal: NodeJS.Signals | null
  /** Why the list ends here, for the record. */
  rule: string
  reason: string
}

/** Whose accesses these are; what the record keeps of a workload. */
export interface Identity {
  args: string[]
  envNames: string[]
  cwd: string
  user: string
}

export interface Target {
  /** Its root and its mounts are what is marked. */
  readonly pid: number
  readonly identity: Identity
  /** Called when the marks stand: from now on every access is seen. */
  begin(): void
  /** Resolves when nothing more is to be watched. */
  readonly ended: Promise<TargetEnd>
  /** Nothing is going to begin. */
  cancel(): void
}

/** Process names as they are in `environ`, without the values: those may be secrets. */
export function environmentNames(environ: Buffer): string[] {
  return splitZeros(environ)
    .map((entry) => entry.subarray(0, Math.max(entry.indexOf('='), 0)).toString())
    .filter((name) => name !== '')
}

/** Strings that each end with a zero byte. */
export function splitZeros(bytes: Buffer): Buffer[] {
  const parts: Buffer[] = []
  for (let at = 0; at < bytes.length; ) {
    const zero = bytes.indexOf(0, at)
    const end = zero === -1 ? bytes.length : zero
    parts.push(bytes.subarray(at, end))
    at = end + 1
  }
  return parts
}
