// What a registry keeps from being collected while a command reads its files. The command says from time to time that it
// is still there; whoever does not is taken for ended.
interface Hold {
  readonly release: () => void
  timer: NodeJS.Timeout
}

/** Milliseconds after which a hold ends that nobody asked to be kept. */
export const HOLD_MS = 300_000

export class Holds {
  readonly #newId: () => string
  readonly #duration: number
  readonly #holds = new Map<string, Hold>()

  constructor(newId: () => string, duration = HOLD_MS) {
    this.#newId = newId
    this.#duration = duration
  }

  /** Keeps until `end`, or until nobody asked for it for a while; gives the id under which to ask. */
  begin(release: () => void): string {
    const id = this.#newId()
    this.#holds.set(id, { release, timer: this.#count(id) })
    return id
  }

  /** The time begins anew; false when it is over. */
  keep(id: string): boolean {
    const hold = this.#holds.get(id)
    if (hold === undefined) return false
    clearTimeout(hold.timer)
    hold.timer = this.#count(id)
    return true
  }

  end(id: string): boolean {
    const hold = this.#holds.get(id)
    if (hold === undefined) return false
    this.#holds.delete(id)
    clearTimeout(hold.timer)
    hold.release()
    return true
  }

  #count(id: string): NodeJS.Timeout {
    return setTimeout(() => void this.end(id), this.#duration).unref()
  }
}
