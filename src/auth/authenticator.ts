// Whether a user and a password are right, put together from the htpasswd file, the cache of right logins, the worker
// queue and the brake on guessing. Unknown user, wrong password and impossible password must cost the same time and
// look the same; a password never leaves this folder.
import { availableParallelism } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import type { BaseLogger } from 'pino'
import { registryError } from '../oci/errors.ts'
import type { PasswordChecker } from './bcrypt-queue.ts'
import { countWorkers, createBcryptQueue } from './bcrypt-queue.ts'
import { createFailedLogins, networkOf } from './failed-logins.ts'
import { openHtpasswd } from './htpasswd-file.ts'
import { createLoginCache } from './login-cache.ts'
import { isPassword } from './password.ts'

export interface Authenticator {
  /** `auth.htpasswd.realm`, for the challenge. */
  readonly realm: string
  /** Whether this login was right a moment ago and still is: one stat(2) and one HMAC, no bcrypt. Never throws. */
  recall(user: string, password: string): boolean
  /**
   * Whether the login is right. `address` is the client's. Throws TOOMANYREQUESTS (429) when too many logins wait,
   * UNAVAILABLE (503) when the check was cut short.
   */
  verify(user: string, password: string, address: string): Promise<boolean>
  /** Ends the threads; logins that wait fail with UNAVAILABLE. */
  close(): Promise<void>
}

export interface AuthenticatorOptions {
  /** `auth.htpasswd.path` */
  readonly path: string
  readonly realm: string
  /** Milliseconds since 1970. */
  readonly clock: () => number
  readonly random: (size: number) => Uint8Array
  readonly logger: Pick<BaseLogger, 'warn' | 'error'>
  /** `limits.loginQueue`: password checks that may wait or run. */
  readonly loginQueue?: number
  readonly checker?: PasswordChecker
  /** Waits so many milliseconds; throws when the signal is aborted. */
  readonly wait?: (milliseconds: number, signal: AbortSignal) => Promise<unknown>
}

const LONGEST_NAME_BYTES = 255
const MOST_PAUSED = 1_000

/** Opens the file and makes the authenticator; throws a Problem when the htpasswd file is missing or unreadable. */
export function createAuthenticator(options: AuthenticatorOptions): Authenticator {
  const { path, realm, clock, random, logger, loginQueue = 64, wait = waitOnTimer } = options
  const file = openHtpasswd({ path, clock, logger })
  const cache = createLoginCache({ clock, random })
  const failed = createFailedLogins({ clock })
  const checker =
    options.checker ?? createBcryptQueue({ limit: loginQueue, workers: countWorkers(availableParallelism()) })
  const flights = new Map<string, Promise<boolean>>()
  const closing = new AbortController()
  let paused = 0

  const recall = (user: string, password: string): boolean => {
    const hash = file.read().users.get(user)
    return hash !== undefined && cache.has(cache.keyOf(user, password, hash))
  }

  const pause = async (milliseconds: number): Promise<void> => {
    if (milliseconds === 0) return
    if (paused >= MOST_PAUSED) {
      throw registryError('TOOMANYREQUESTS', { message: 'too many failed logins', headers: { 'Retry-After': '2' } })
    }
    paused += 1
    try {
      await wait(milliseconds, closing.signal)
    } catch (cause) {
      throw registryError('UNAVAILABLE', { message: 'the registry is closing', cause })
    } finally {
      paused -= 1
    }
  }

  // One check for all who send the same login at the same time: a node starts many pulls at once.
  const checkOnce = (key: string, password: string, hash: string, address: string): Promise<boolean> => {
    const running = flights.get(key)
    if (running !== undefined) return running
    const flight = checker.check(password, hash, networkOf(address)).finally(() => flights.delete(key))
    flights.set(key, flight)
    return flight
  }

  const check = async (user: string, password: string, address: string): Promise<boolean> => {
    // No such name can be in the file, so that no time tells anything; and no bcrypt is wasted on `:`.
    if (user === '' || Buffer.byteLength(user) > LONGEST_NAME_BYTES) return false
    await pause(failed.delayBefore(user, address))
    const { users, highestCost } = file.read()
    const stored = users.get(user)
    const hash = stored ?? makeDummyHash(highestCost)
    const possible = isPassword(password)
    const key = cache.keyOf(user, password, hash)
    const matches = await checkOnce(key, possible ? password : IMPOSSIBLE_PASSWORD, hash, address)
    // The file may have changed while the check ran.
    if (matches && possible && stored !== undefined && file.read().users.get(user) === stored) {
      cache.add(key)
      failed.succeed(user, address)
      return true
    }
    await pause(failed.fail(user, address))
    return false
  }

  return {
    realm,
    recall,
    verify: (user, password, address) =>
      recall(user, password) ? Promise.resolve(true) : check(user, password, address),
    async close() {
      closing.abort()
      await checker.close()
    },
  }
}

// Stands in where bcrypt would cut the given one short; its result is thrown away.
const IMPOSSIBLE_PASSWORD = 'impossible'

const DUMMY_SALT_AND_HASH = `${'tarn'.repeat(13)}.`

/** A hash of nobody's, which takes as long to check as the slowest user's (R39). */
function makeDummyHash(cost: number): string {
  return `$2b$${String(cost).padStart(2, '0')}$${DUMMY_SALT_AND_HASH}`
}

function waitOnTimer(milliseconds: number, signal: AbortSignal): Promise<unknown> {
  return sleep(milliseconds, undefined, { signal })
}
