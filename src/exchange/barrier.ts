// Several acts that must all have come to one point before any of them goes on, or none does: the large blobs of one image, of
// which each is only known to be right when it was read to its end.

/** What the others of a barrier end with when one act failed. */
export class OtherFailed extends Error {
  override readonly name = 'OtherFailed'
}

export class Barrier {
  #missing: number
  readonly #opened = Promise.withResolvers<void>()

  /** For so many acts. */
  constructor(acts: number) {
    this.#missing = acts
    // Nobody may be waiting when it fails.
    this.#opened.promise.catch(() => undefined)
  }

  /** Fulfilled when all have come. Rejects with OtherFailed when one of them failed. */
  get opened(): Promise<void> {
    return this.#opened.promise
  }

  /** One act came, or has nothing to wait for; each says so once. */
  come(): void {
    this.#missing -= 1
    if (this.#missing <= 0) this.#opened.resolve()
  }

  /** One act failed: those that wait, and those that are still to come, end. */
  fail(cause: unknown): void {
    this.#opened.reject(new OtherFailed('another blob of the image could not be brought', { cause }))
  }
}
