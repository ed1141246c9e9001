// The logins of one upstream as its configuration gives them: a file of docker's form, or a name and a file with the
// password. Files are read again when they change; one that breaks while the registry runs leaves the old login.
import { describeUnreadable, Problem } from '../config/problem.ts'
import { isWorldReadable, readWatchedFile, stampOf } from '../config/watched-file.ts'
import type { FileReading } from '../config/watched-file.ts'
import { findLogin, parseAuthFile } from './auth-file.ts'
import { Credential } from './credential.ts'

export interface CredentialsConfig {
  readonly authFile?: string
  readonly username?: string
  readonly passwordFile?: string
  /** In the place of the file. */
  readonly password?: string
}

export interface CredentialsOptions {
  readonly clock: () => number
  /** Random bytes, to tell credentials apart without showing anything of them. */
  readonly random: (size: number) => Buffer
  readonly warn: (message: string) => void
}

export interface Credentials {
  /** The login for a repository at one of `hosts` (with port where it is not the default), first host first. */
  find(hosts: readonly string[], repository: string): Credential | undefined
}

export const NO_CREDENTIALS: Credentials = { find: () => undefined }

type Find = Credentials['find']

const LARGEST = 1 << 20

/** Reads the files at once. Throws a Problem for settings that contradict each other and for unreadable files. */
export function openCredentials(config: CredentialsConfig, options: CredentialsOptions): Credentials {
  const { authFile, username, passwordFile, password } = config
  const salt = options.random(32)
  if (authFile !== undefined) {
    if (username !== undefined || passwordFile !== undefined)
      throw new Problem('credentials hold "authFile" together with "username" or "passwordFile": give one of them')
    return watchFile(authFile, options, (bytes) => {
      const table = parseAuthFile(bytes, authFile, salt)
      return (hosts, repository) => {
        for (const host of hosts) {
          const found = findLogin(table, host, repository)
          if (found !== undefined) return found
        }
        return undefined
      }
    })
  }
  if (username === undefined && passwordFile === undefined) return NO_CREDENTIALS
  if (username !== undefined && password !== undefined) {
    const credential = new Credential({ username, password }, 'the configuration', salt)
    return { find: () => credential }
  }
  if (username === undefined || passwordFile === undefined)
    throw new Problem('credentials need "username" and "passwordFile" together')
  return watchFile(passwordFile, options, (bytes) => {
    const password = bytes.toString('utf8').replace(/\r?\n$/, '')
    const credential = new Credential({ username, password }, passwordFile, salt)
    return () => credential
  })
}

function watchFile(path: string, { clock, warn }: CredentialsOptions, parse: (bytes: Buffer) => Find): Credentials {
  const load = (): FileReading => {
    const reading = readFile(path, clock())
    if (isWorldReadable(reading.mode)) warn(`${path} holds a secret and everybody on this machine may read it`)
    return reading
  }
  let reading = load()
  let find = parse(reading.bytes)
  const refresh = (): void => {
    const stamp = stampOf(path)
    if (stamp === reading.stamp && reading.settled) return
    try {
      const next = readFile(path, clock())
      const changed = next.stamp !== reading.stamp || !next.bytes.equals(reading.bytes)
      // Set before the parse: a broken file is complained about once, not at every request.
      reading = next
      if (changed) find = parse(next.bytes)
    } catch (error) {
      if (stamp === undefined && reading.stamp === '') return
      reading = stamp === undefined ? { ...reading, stamp: '', settled: true } : reading
      warn(`${error instanceof Error ? error.message : 'unreadable credentials'}; the login read before stays in use`)
    }
  }
  return {
    find(hosts, repository) {
      refresh()
      return find(hosts, repository)
    },
  }
}

function readFile(path: string, now: number): FileReading {
  let reading: FileReading
  try {
    reading = readWatchedFile(path, now)
  } catch (error) {
    throw describeUnreadable('credentials', path, error)
  }
  if (reading.bytes.length > LARGEST) throw new Problem(`${path} is larger than 1 MiB and no file of logins`)
  return reading
}
