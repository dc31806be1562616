/** In which order a workload is driven. */

const KINDS = ['exec', 'http'] as const
export type DriveKind = (typeof KINDS)[number]

/** Where the order is kept in which the options were typed: the parser keeps it for each of them alone. */
export const DRIVE_ORDER = 'drive-order'

/** Which of the options come one after the other on a command line. */
export function driveOrder(args: readonly string[]): DriveKind[] {
  const end = args.indexOf('--')
  return args.slice(0, end < 0 ? undefined : end).flatMap((arg) => {
    const name = arg.split('=', 1)[0]
    return KINDS.filter((kind) => name === `--${kind}`)
  })
}
