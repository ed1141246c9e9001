// Makes the calling thread give way to all others: a survey of the whole directory wants a processor for a minute, and
// whoever pulls meanwhile must not wait for it. On Linux each thread has a priority of its own; elsewhere nothing happens.
import { readlinkSync } from 'node:fs'
import { constants, getPriority, setPriority } from 'node:os'

const LOWER_BY = 10

/** To be called by a worker thread for itself, never by the main thread. Never throws. */
export function lowerPriority(): void {
  try {
    const thread = Number(readlinkSync('/proc/thread-self').split('/').at(-1))
    // Below its own process too, which may have been started with a low one: a fixed number could raise it.
    setPriority(thread, Math.min(constants.priority.PRIORITY_LOW, getPriority(thread) + LOWER_BY))
  } catch {
    // Slower for the others, and nothing worse.
  }
}
