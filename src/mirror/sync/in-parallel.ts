// Does something for each of many, so many at a time.

/**
 * Begins nothing more after the first that fails; rejects with it when those under way have ended. Results come in the
 * order of `items`.
 */
export async function inParallel<T, R>(
  items: readonly T[],
  most: number,
  act: (item: T) => Promise<R>,
): Promise<readonly R[]> {
  const rest = items.entries()
  const results: R[] = []
  const failures: unknown[] = []
  const work = async (): Promise<void> => {
    for (const [index, item] of rest) {
      try {
        results[index] = await act(item)
      } catch (error) {
        failures.push(error)
      }
      if (failures.length > 0) return
    }
  }
  await Promise.all(Array.from({ length: Math.min(most, items.length) }, work))
  if (failures.length > 0) throw failures[0]
  return results
}

/** How many things may be asked of an upstream at a time, so that clients who pull through the mirror do not wait for them. */
export function besideClients({ concurrency }: { readonly concurrency: number }): number {
  return Math.max(1, concurrency - 2)
}
