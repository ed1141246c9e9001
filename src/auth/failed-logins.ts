// Slows down whoever guesses passwords, by address and by user, up to two seconds an attempt. It never locks anybody
// out (that would let a stranger lock out a user by name): a right password always gets in, and a client that has
// not itself failed as that user is not delayed, whatever others do from other addresses or as other users.
import { isIP } from 'node:net'

export interface FailedLogins {
  /** Milliseconds to wait before the password is checked: only where this address has failed as this user before. */
  delayBefore(user: string, address: string): number
  /** Notes a failure. Gives the milliseconds to hold the refusal back, for a first failure of this pair. */
  fail(user: string, address: string): number
  /** Notes that this address got in as this user. */
  succeed(user: string, address: string): void
}

export interface FailedLoginsOptions {
  /** Milliseconds since 1970. */
  readonly clock: () => number
  /** Entries that are kept; the one that was quiet for longest goes first. */
  readonly capacity?: number
}

interface Count {
  failures: number
  at: number
}

const FREE_FAILURES = 3
const FIRST_DELAY_MS = 100
const LONGEST_DELAY_MS = 2_000
const FORGOTTEN_AFTER_MS = 300_000

/** Makes an empty record of failures. */
export function createFailedLogins({ clock, capacity = 30_000 }: FailedLoginsOptions): FailedLogins {
  const counts = new Map<string, Count>()

  const failuresOf = (key: string): number => {
    const count = counts.get(key)
    return count === undefined || clock() - count.at >= FORGOTTEN_AFTER_MS ? 0 : count.failures
  }
  const raise = (key: string): void => {
    const failures = failuresOf(key) + 1
    counts.delete(key)
    if (counts.size >= capacity) {
      const oldest = counts.keys().next()
      if (oldest.done !== true) counts.delete(oldest.value)
    }
    counts.set(key, { failures, at: clock() })
  }
  const keysOf = (user: string, address: string): { pair: string; all: string[] } => {
    const network = networkOf(address)
    const pair = `pair ${network} ${user}`
    return { pair, all: [pair, `address ${network}`, `user ${user}`] }
  }

  return {
    delayBefore(user, address) {
      const { pair, all } = keysOf(user, address)
      return failuresOf(pair) === 0 ? 0 : delayOf(Math.max(...all.map(failuresOf)))
    },
    fail(user, address) {
      const { pair, all } = keysOf(user, address)
      const alreadyDelayed = failuresOf(pair) > 0
      for (const key of all) raise(key)
      return alreadyDelayed ? 0 : delayOf(Math.max(...all.map(failuresOf)))
    },
    succeed(user, address) {
      // Only the pair: who has one login of his own must not be able to wipe out his guesses at others.
      counts.delete(keysOf(user, address).pair)
    },
  }
}

function delayOf(failures: number): number {
  if (failures <= FREE_FAILURES) return 0
  return Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** (failures - FREE_FAILURES - 1))
}

/** What counts as one client: an IPv4 address, or the /64 of an IPv6 address (one machine has all of it). */
export function networkOf(address: string): string {
  if (isIP(address) !== 6) return address
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)
  if (mapped?.[1] !== undefined) return mapped[1]
  const [head = '', tail] = address.replace(/%.*$/, '').split('::')
  const groups = head === '' ? [] : head.split(':')
  const missing = tail === undefined ? 0 : 8 - groups.length - tail.split(':').filter((group) => group !== '').length
  const all = [...groups, ...Array.from({ length: Math.max(0, missing) }, () => '0'), ...(tail ?? '').split(':')]
  return all
    .slice(0, 4)
    .map((group) => Number.parseInt(group === '' ? '0' : group, 16).toString(16))
    .join(':')
}
