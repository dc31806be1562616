/** Values by key, taken in the order in which they came: at the same cost however many there are of one key. */
export class Queues<Value> {
  readonly #queues = new Map<string, { values: Value[]; next: number }>()

  add(key: string, value: Value): void {
    const queue = this.#queues.get(key)
    if (queue === undefined) this.#queues.set(key, { values: [value], next: 0 })
    else queue.values.push(value)
  }

  /** Whether there was ever one. */
  has(key: string): boolean {
    return this.#queues.has(key)
  }

  take(key: string): Value | undefined {
    const queue = this.#queues.get(key)
    return queue?.values[queue.next++]
  }

  /** The same, and the last one for all that come after it. */
  takeOrLast(key: string): Value | undefined {
    return this.take(key) ?? this.#queues.get(key)?.values.at(-1)
  }

  /** What nobody has taken, by key. */
  rest(): Value[] {
    return [...this.#queues.values()].flatMap(({ values, next }) => values.slice(next))
  }
}
