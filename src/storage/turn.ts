// Reading tiny files synchronously is quick, and thousands in a row would still hold up everybody else.

/** How many tiny files may be read in one turn of the event loop: about 2 ms of them. */
const PER_TURN = 200

/** Gives the items of a list, letting other work in after every couple of hundred. */
export async function* inTurns<T>(items: readonly T[]): AsyncGenerator<T> {
  for (const [index, item] of items.entries()) {
    if (index % PER_TURN === PER_TURN - 1) await new Promise((resolve) => setImmediate(resolve))
    yield item
  }
}
