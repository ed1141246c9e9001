// Logins that were right a moment ago, so that bcrypt is paid once in five minutes and not at each request. It keeps
// neither a user, nor a password, nor a hash: only a keyed digest of the three, with a key that dies with the process.
// Since the stored hash is part of it, a changed password or a removed user is out at the next request (R10).
import { createHmac, createSecretKey } from 'node:crypto'

export interface LoginCache {
  /** The one key of these three; also good to tell equal logins that run at the same time. */
  keyOf(user: string, password: string, hash: string): string
  has(key: string): boolean
  add(key: string): void
}

export interface LoginCacheOptions {
  /** Milliseconds since 1970. */
  readonly clock: () => number
  readonly random: (size: number) => Uint8Array
  readonly capacity?: number
  /** Milliseconds that a login counts after it was checked. */
  readonly lifetime?: number
}

/** Makes an empty cache; when it is full, the login that was not used for longest goes. */
export function createLoginCache(options: LoginCacheOptions): LoginCache {
  const { clock, random, capacity = 10_000, lifetime = 300_000 } = options
  // As a key object: with the bytes themselves each HMAC costs five times as much.
  const secret = createSecretKey(random(32))
  const checkedAt = new Map<string, number>()

  const keyOf = (user: string, password: string, hash: string): string =>
    // Lengths in front: "ab" + "c" must not be "a" + "bc".
    createHmac('sha256', secret).update(`${user.length}:${user}${password.length}:${password}${hash}`).digest('base64')

  const has = (key: string): boolean => {
    const at = checkedAt.get(key)
    if (at === undefined) return false
    checkedAt.delete(key)
    const age = clock() - at
    // A clock that was set back makes an age below zero: then nobody knows how old the login is.
    if (age < 0 || age >= lifetime) return false
    checkedAt.set(key, at)
    return true
  }

  const add = (key: string): void => {
    checkedAt.delete(key)
    if (checkedAt.size >= capacity) {
      const oldest = checkedAt.keys().next()
      if (oldest.done !== true) checkedAt.delete(oldest.value)
    }
    checkedAt.set(key, clock())
  }
  return { keyOf, has, add }
}
