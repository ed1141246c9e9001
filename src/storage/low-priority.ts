// Makes long reading give way to all others: a survey of the whole directory wants a processor for a minute, and whoever
// pulls meanwhile must not wait for it. On Linux each thread has a priority of its own; elsewhere nothing happens.
import { execFileSync } from 'node:child_process'
import { readlinkSync } from 'node:fs'
import { constants, getPriority, setPriority } from 'node:os'

const LOWER_BY = 10
// A low priority alone is not enough: what runs may keep its processor for some milliseconds from one who wakes up.
const WORK_MS = 0.25
const REST_MS = 0.75

/** To be called by a thread for itself, never by the main thread of a server. Never throws. */
export function lowerPriority(): void {
  try {
    const thread = Number(readlinkSync('/proc/thread-self').split('/').at(-1))
    // Below its own process too, which may have been started with a low one: a fixed number could raise it.
    setPriority(thread, Math.min(constants.priority.PRIORITY_LOW, getPriority(thread) + LOWER_BY))
  } catch {
    // Slower for the others, and nothing worse.
  }
}

/**
 * To be called by a process that only reads, for all of itself: it then runs where no other wants the processor
 * (sched(7), SCHED_IDLE), if the system has a program to ask for that. Never throws.
 */
export function giveWay(): void {
  lowerPriority()
  try {
    execFileSync('chrt', ['--all-tasks', '--idle', '--pid', '0', String(process.pid)], { stdio: 'ignore' })
  } catch {
    // The priority is low, and there are rests.
  }
}

/** Gives what is called between small steps of reading: the calling thread then sleeps for three times as long as it worked. */
export function makeRests(elapsed: () => number = () => performance.now()): () => void {
  const never = new Int32Array(new SharedArrayBuffer(4))
  let since = elapsed()
  return () => {
    if (elapsed() - since < WORK_MS) return
    Atomics.wait(never, 0, 0, REST_MS)
    since = elapsed()
  }
}
