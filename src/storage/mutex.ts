// Exclusion by name inside this process (the keeper lock keeps other processes out). A key costs memory
// only while somebody holds or waits for it.
export class Mutex {
  readonly #tails = new Map<string, Promise<void>>()

  /** Runs `act` when all earlier holders of `key` are done; gives its result or throws its error. */
  async run<T>(key: string, act: () => Promise<T>): Promise<T> {
    const before = this.#tails.get(key)
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#tails.set(key, promise)
    if (before !== undefined) await before
    try {
      return await act()
    } finally {
      if (this.#tails.get(key) === promise) this.#tails.delete(key)
      resolve()
    }
  }
}
