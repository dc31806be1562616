/** A world of virtual seconds: processes that wait, and that share what there is only so much of. No clock is read. */

/** Something that at most so much of is done a second by all who use it: a link's bits, processors. */
export class Resource {
  readonly perSecond: number
  readonly jobs: Job[] = []

  constructor(perSecond: number) {
    this.perSecond = perSecond
  }
}

/** What a process yields, and goes on after. */
export type Step = { seconds: number } | Use | Ends

/** So much of a resource, in the resource's unit; `most`: what this one alone can take a second. */
interface Use {
  use: Resource
  amount: number
  most?: number
}

/** The end of all of them, but no longer than `atMostSeconds`. */
interface Ends {
  ends: readonly Task[]
  atMostSeconds?: number
}

export type Process = Generator<Step, void, void>

export interface Task {
  done: boolean
  /** Of the world, when it was done. */
  endedAt: number
}

interface Job {
  left: number
  most: number
  rate: number
  resume: () => void
}

interface Timer {
  at: number
  resume: () => void
}

/** Less than this of a job is rounding. */
const NOTHING = 1e-9

export class World {
  now = 0
  readonly #timers = new Set<Timer>()
  readonly #resources = new Set<Resource>()
  readonly #waiting = new Map<Task, Set<() => void>>()

  start(process: Process): Task {
    const task = { done: false, endedAt: Number.NaN }
    this.#advance(process, task)
    return task
  }

  /** Until nothing is left to happen. */
  run(): void {
    for (;;) {
      const at = Math.min(this.#nextTimer(), this.#nextJobEnd())
      if (at === Number.POSITIVE_INFINITY) return
      this.#passUntil(at)
    }
  }

  #advance(process: Process, task: Task): void {
    const { value, done } = process.next()
    if (done === true) this.#end(task)
    else this.#take(value, () => this.#advance(process, task))
  }

  #end(task: Task): void {
    task.done = true
    task.endedAt = this.now
    const waiting = this.#waiting.get(task) ?? []
    this.#waiting.delete(task)
    for (const resume of waiting) resume()
  }

  #take(step: Step, resume: () => void): void {
    if ('seconds' in step) this.#timers.add({ at: this.now + Math.max(0, step.seconds), resume })
    else if ('use' in step) this.#use(step, resume)
    else this.#await(step, resume)
  }

  #use({ use: resource, amount, most = Number.POSITIVE_INFINITY }: Use, resume: () => void): void {
    if (!(amount > 0) || resource.perSecond === Number.POSITIVE_INFINITY) {
      this.#take({ seconds: 0 }, resume)
      return
    }
    this.#resources.add(resource)
    resource.jobs.push({ left: amount, most, rate: 0, resume })
    shareOut(resource)
  }

  #await({ ends, atMostSeconds }: Ends, resume: () => void): void {
    const open = new Set(ends.filter(({ done }) => !done))
    if (open.size === 0) {
      this.#take({ seconds: 0 }, resume)
      return
    }
    let going = true
    const goOn = () => {
      if (going) resume()
      going = false
    }
    for (const task of open) {
      const onEnd = () => {
        open.delete(task)
        if (open.size === 0) goOn()
      }
      this.#waiting.set(task, (this.#waiting.get(task) ?? new Set()).add(onEnd))
    }
    if (atMostSeconds !== undefined) this.#timers.add({ at: this.now + atMostSeconds, resume: goOn })
  }

  #nextTimer(): number {
    let next = Number.POSITIVE_INFINITY
    for (const { at } of this.#timers) next = Math.min(next, at)
    return next
  }

  #nextJobEnd(): number {
    let next = Number.POSITIVE_INFINITY
    for (const { jobs } of this.#resources)
      for (const { left, rate } of jobs) next = Math.min(next, this.now + left / rate)
    return next
  }

  #passUntil(at: number): void {
    const seconds = at - this.now
    this.now = at
    const resumed: (() => void)[] = []
    for (const resource of this.#resources) {
      const { jobs } = resource
      for (const job of jobs) job.left -= job.rate * seconds
      // Also what ends before the next moment that a number can tell.
      const ended = jobs.filter(
        ({ left, rate }) => left <= NOTHING * Math.max(1, rate) || at + left / rate <= at,
      )
      if (ended.length === 0) continue
      jobs.splice(0, jobs.length, ...jobs.filter((job) => !ended.includes(job)))
      shareOut(resource)
      resumed.push(...ended.map(({ resume }) => resume))
    }
    for (const timer of this.#timers)
      if (timer.at <= at) {
        this.#timers.delete(timer)
        resumed.push(timer.resume)
      }
    for (const resume of resumed) resume()
  }
}

/** Everybody gets the same, but nobody more than they can take; what one leaves is the others'. */
function shareOut({ jobs, perSecond }: Resource): void {
  let rest = perSecond
  const modestFirst = jobs.toSorted((one, other) => one.most - other.most)
  for (const [index, job] of modestFirst.entries()) {
    job.rate = Math.min(job.most, rest / (modestFirst.length - index))
    rest -= job.rate
  }
}
