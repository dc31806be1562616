/** What runs a container. Apart from the service, so that options can be read without it. */

/** The shim of runc and of programs with its command line. */
export const RUNC_SHIM = 'io.containerd.runc.v2'

/** What runs a container. */
export interface RuntimeChoice {
  /** Name or path of a shim. */
  shim: string
  /** Path of the program that the shim of runc runs in place of runc. */
  program?: string
}
