/** When a run is over although the workload goes on; one small file for each kind. */
export interface StopRule {
  /** As the option that sets it. */
  name: string
  /**
   * Resolves with the reason, a phrase, once the rule is met. When `signal` is aborted nobody asks any more: it
   * rejects then, soon, and nothing of it is left running.
   */
  met(signal: AbortSignal): Promise<string>
  /** For a rule about output, which may come late: whether it is met by now, also after nobody asked any more. */
  metByNow?(): boolean
  /** What was found when it was last asked, a phrase: for a person whose rule is never met. */
  found?(): string
}
