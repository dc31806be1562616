/** What the model says of one start. */
export interface PredictedStart {
  /** Until the image can be run. */
  pullSeconds: number
  /** From there until the workload is up. */
  runSeconds: number
  totalSeconds: number
  /** From the registry until then, headers included. */
  wireBytes: number
  requests: number
  /** Those that the workload had to wait for. */
  onDemandRequests: number
  /** What the client fetches after that when it has nothing else to do: all that it lacks. */
  laterBytes: number
}
