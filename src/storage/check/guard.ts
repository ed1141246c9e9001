// What every step of a repair asks on its way: whether it may go on. A repair reads for minutes between two writes, and the
// lock of the directory can be gone by then; nothing may be written after that (I11).

export interface Guard {
  /** Ends what is being read or waited for. */
  readonly signal: AbortSignal
  /** Throws when nothing may be written any more. Asked right before each lasting write. */
  readonly require: () => void
}

/** Gives what `pending` gives, or throws the signal's reason as soon as it is aborted; only for what writes nothing. */
export function orAborted<T>(pending: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const stop = (): void => reject(signal.reason as Error)
    if (signal.aborted) stop()
    else signal.addEventListener('abort', stop, { once: true })
    pending.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop))
  })
}

/** Passes on what `source` gives; throws the signal's reason when it is aborted, however long the source is silent. */
export async function* untilAborted<T>(source: AsyncIterable<T>, signal: AbortSignal): AsyncGenerator<T> {
  const iterator = source[Symbol.asyncIterator]()
  let isOver = false
  try {
    for (;;) {
      const next = await orAborted(iterator.next(), signal)
      if (next.done === true) {
        isOver = true
        return
      }
      yield next.value
    }
  } finally {
    // Not waited for: a source that is silent answers this no sooner than the question before it.
    if (!isOver) iterator.return?.().catch(() => undefined)
  }
}
