// The files in which docker, podman and OpenShift keep logins: config.json, auth.json, a pull secret. Their contents
// never appear in a message, only their keys.
import { Problem } from '../config/problem.ts'
import { Credential } from './credential.ts'
import type { CredentialSecret } from './credential.ts'

/** Logins by `host[:port][/path]`. */
export type AuthTable = ReadonlyMap<string, Credential>

const MOST_ENTRIES = 10_000
// docker.io has three names, and docker keeps its login under the oldest.
const DOCKER_HUB = new Set(['docker.io', 'index.docker.io', 'registry-1.docker.io'])

/**
 * Reads `{"auths": {"host/path": {auth | username + password | identitytoken}}}`. Throws a Problem for what is no
 * such document, and for credential helpers: they are programs to run, which this process never does.
 */
export function parseAuthFile(bytes: Buffer, path: string, salt: Buffer): AuthTable {
  const document = parseObject(bytes, path)
  refuseHelpers(document, path)
  const auths = document['auths'] ?? {}
  if (!isObject(auths)) throw new Problem(`"auths" of ${path} is not an object`)
  const entries = Object.entries(auths)
  if (entries.length > MOST_ENTRIES) throw new Problem(`${path} holds more than ${MOST_ENTRIES} logins`)
  const table = new Map<string, Credential>()
  for (const [key, entry] of entries) {
    const place = `${JSON.stringify(key.slice(0, 300))} in ${path}`
    if (!isObject(entry)) throw new Problem(`the login of ${place} is not an object`)
    const secret = readSecret(entry, place)
    if (secret !== undefined) table.set(normaliseKey(key), new Credential(secret, place, salt))
  }
  return table
}

/**
 * The login for a repository by the longest key, whole path components only: for `quay.io` and `a/b` the keys
 * `quay.io/a/b`, `quay.io/a`, `quay.io` in this order. `host` has its port where that is not the default.
 */
export function findLogin(table: AuthTable, host: string, repository: string): Credential | undefined {
  const names = DOCKER_HUB.has(host) ? [...DOCKER_HUB] : [host]
  const parts = repository.split('/')
  for (let length = parts.length; length >= 0; length -= 1) {
    for (const name of names) {
      const found = table.get([name, ...parts.slice(0, length)].join('/'))
      if (found !== undefined) return found
    }
  }
  return undefined
}

function parseObject(bytes: Buffer, path: string): Record<string, unknown> {
  let document: unknown
  try {
    document = JSON.parse(bytes.toString('utf8'))
  } catch {
    // The message of JSON.parse quotes what it read: no cause here.
    throw new Problem(`${path} is not JSON`, { hint: 'expected {"auths": {"registry.example.com": {"auth": "…"}}}' })
  }
  if (!isObject(document)) throw new Problem(`${path} is not a JSON object`)
  return document
}

function refuseHelpers(document: Record<string, unknown>, path: string): void {
  const { credsStore, credHelpers } = document
  const named = isObject(credHelpers) && Object.keys(credHelpers).length > 0 ? 'credHelpers' : undefined
  const found = typeof credsStore === 'string' && credsStore !== '' ? 'credsStore' : named
  if (found === undefined) return
  throw new Problem(`${path} keeps logins in a credential helper ("${found}"), which is not supported`, {
    hint: `make a file without it: podman login --authfile ${path.replace(/[^/]*$/, 'auth.json')} REGISTRY`,
  })
}

function readSecret(entry: Record<string, unknown>, place: string): CredentialSecret | undefined {
  const text = (name: string): string => {
    const value = entry[name] ?? ''
    if (typeof value !== 'string') throw new Problem(`"${name}" of ${place} is not a string`)
    return value
  }
  const identityToken = text('identitytoken')
  if (identityToken !== '') return { identityToken }
  if (text('registrytoken') !== '')
    throw new Problem(`"registrytoken" of ${place} is not supported`, { hint: 'log in with a username and a password' })
  const auth = text('auth')
  if (auth !== '') return splitAuth(auth, place)
  const [username, password] = [text('username'), text('password')]
  return username === '' && password === '' ? undefined : { username, password }
}

function splitAuth(auth: string, place: string): CredentialSecret {
  const plain = Buffer.from(auth, 'base64').toString('utf8')
  const colon = plain.indexOf(':')
  if (colon < 0 || !/^[A-Za-z0-9+/_-]*=*$/.test(auth.trim()))
    throw new Problem(`"auth" of ${place} is not the base64 of username:password`)
  // docker once padded the password with NUL bytes.
  const [password = ''] = plain.slice(colon + 1).split('\u0000')
  return { username: plain.slice(0, colon), password }
}

/** docker's old keys are addresses, `https://index.docker.io/v1/`: of those only the host counts. */
function normaliseKey(key: string): string {
  const [, scheme, rest = ''] = /^(https?:\/\/)?(.*)$/s.exec(key) ?? []
  const plain = rest.replace(/\/+$/, '')
  const slash = plain.indexOf('/')
  const host = (slash < 0 ? plain : plain.slice(0, slash)).toLowerCase().replace(/:443$/, '')
  const path = slash < 0 || scheme !== undefined || /^\/v[12]$/.test(plain.slice(slash)) ? '' : plain.slice(slash)
  return `${host}${path}`
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
