// Makes the calling thread give way to all others: a survey of the whole directory wants a processor for a minute, and
// whoever pulls meanwhile must not wait for it. On Linux each thread has a priority of its own; elsewhere nothing happens.
import { readlinkSync } from 'node:fs'
import { constants, setPriority } from 'node:os'

/** To be called by a worker thread for itself, never by the main thread. Never throws. */
export function lowerPriority(): void {
  try {
    const thread = Number(readlinkSync('/proc/thread-self').split('/').at(-1))
    setPriority(thread, constants.priority.PRIORITY_BELOW_NORMAL)
  } catch {
    // Slower for the others, and nothing worse.
  }
}
