// Turns of the event loop, shared by all who wait for the next one.

/** Makes a function whose promise resolves after the event loop has read what waits on its sockets. */
export function createTurn(): () => Promise<void> {
  let next: Promise<void> | undefined
  return () => {
    next ??= new Promise((resolve) => {
      setImmediate(() => {
        next = undefined
        resolve()
      })
    })
    return next
  }
}
