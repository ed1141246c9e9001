// A histogram by labels, for numbers that stand on the path of every request: looking up a library's labels cost 10 µs
// where a whole manifest costs 50. The text is made when somebody asks.

interface Tally {
  count: number
  sum: number
  /** Values up to each bound, and not up to the one before. */
  readonly upTo: number[]
}

export class Histogram {
  readonly #name: string
  readonly #help: string
  readonly #bounds: readonly number[]
  readonly #tallies = new Map<string, Tally>()

  /** `bounds` in rising order. */
  constructor(name: string, help: string, bounds: readonly number[]) {
    this.#name = name
    this.#help = help
    this.#bounds = bounds
  }

  /** Labels come from fixed sets, so that the map stays small. */
  observe(labels: string, value: number): void {
    let tally = this.#tallies.get(labels)
    if (tally === undefined) {
      tally = { count: 0, sum: 0, upTo: this.#bounds.map(() => 0) }
      this.#tallies.set(labels, tally)
    }
    tally.count += 1
    tally.sum += value
    // The first bound that holds it; the sums over the bounds are made in the text.
    const index = this.#bounds.findIndex((bound) => value <= bound)
    if (index >= 0) tally.upTo[index] = (tally.upTo[index] ?? 0) + 1
  }

  /** Lines of the text exposition format, version 0.0.4. */
  render(): string[] {
    return [
      `# HELP ${this.#name} ${this.#help}`,
      `# TYPE ${this.#name} histogram`,
      ...[...this.#tallies].flatMap(([labels, tally]) => this.#renderTally(labels, tally)),
    ]
  }

  #renderTally(labels: string, { count, sum, upTo }: Tally): string[] {
    const name = this.#name
    let below = 0
    const buckets = this.#bounds.map((bound, index) => {
      below += upTo[index] ?? 0
      return `${name}_bucket{${labels},le="${bound}"} ${below}`
    })
    return [
      ...buckets,
      `${name}_bucket{${labels},le="+Inf"} ${count}`,
      `${name}_sum{${labels}} ${sum}`,
      `${name}_count{${labels}} ${count}`,
    ]
  }
}
