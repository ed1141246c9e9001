// One requirement of a policy (containers-policy.json(5), "Policy Requirements"). What cannot be checked here, such as a
// certificate of Fulcio, is refused with the reason: to overlook it would be to let everything in.
import { resolve } from 'node:path'
import { quoteText } from '../../oci/json.ts'
import { parseDockerReference } from './docker-reference.ts'
import type { SignedIdentity } from './identity.ts'
import { openObject, PolicyError } from './policy-error.ts'

/** Where a key is: a file by its absolute path, or the bytes themselves. */
export type KeyPlace = { readonly path: string } | { readonly data: Buffer }

export type Requirement =
  | { readonly type: 'insecureAcceptAnything' }
  | { readonly type: 'reject' }
  /** One of the keys must have signed. */
  | { readonly type: 'signedBy'; readonly keys: readonly KeyPlace[]; readonly identity: SignedIdentity }
  | { readonly type: 'sigstoreSigned'; readonly keys: readonly KeyPlace[]; readonly identity: SignedIdentity }

type Members = Readonly<Record<string, unknown>>

/** Throws a PolicyError. */
export function readRequirement(value: unknown, place: string, directory: string): Requirement {
  const { type } = openObject(value, place)
  switch (type) {
    case 'insecureAcceptAnything':
    case 'reject':
      openObject(value, place, ['type'])
      return { type }
    case 'signedBy':
      return readSignedBy(value, place, directory)
    case 'sigstoreSigned':
      return readSigstoreSigned(value, place, directory)
    default:
      throw new PolicyError(`${place} is of the type ${show(type)}, which is not known here`)
  }
}

function readSignedBy(value: unknown, place: string, directory: string): Requirement {
  const known = ['type', 'keyType', 'keyPath', 'keyPaths', 'keyData', 'signedIdentity']
  const members = openObject(value, place, known)
  if (members['keyType'] !== 'GPGKeys')
    throw new PolicyError(`${place}.keyType is ${show(members['keyType'])}: only GPGKeys can be checked`)
  const keys = readKeys(members, place, directory)
  return { type: 'signedBy', keys, identity: readIdentity(members['signedIdentity'], `${place}.signedIdentity`) }
}

const KEYLESS = ['fulcio', 'pki']
const LOGGED = ['rekorPublicKeyPath', 'rekorPublicKeyPaths', 'rekorPublicKeyData', 'rekorPublicKeyDatas']

function readSigstoreSigned(value: unknown, place: string, directory: string): Requirement {
  const known = ['type', 'keyPath', 'keyPaths', 'keyData', 'keyDatas', 'signedIdentity', ...KEYLESS, ...LOGGED]
  const members = openObject(value, place, known)
  for (const name of [...KEYLESS, ...LOGGED]) {
    if (members[name] === undefined) continue
    throw new PolicyError(`${place}.${name} cannot be checked here`, {
      hint: 'signatures without a lasting key, and the log of Rekor, are not verified offline: give keyPath, or verify with cosign before',
    })
  }
  const keys = readKeys(members, place, directory)
  return { type: 'sigstoreSigned', keys, identity: readIdentity(members['signedIdentity'], `${place}.signedIdentity`) }
}

function readKeys(members: Members, place: string, directory: string): KeyPlace[] {
  const names = ['keyPath', 'keyPaths', 'keyData', 'keyDatas'].filter((name) => members[name] !== undefined)
  const [name] = names
  if (name === undefined || names.length > 1)
    throw new PolicyError(`${place} must hold one of keyPath, keyPaths, keyData`)
  const value = members[name]
  const list: readonly unknown[] = Array.isArray(value) ? value : [value]
  if (list.length === 0 || name.endsWith('s') !== Array.isArray(value))
    throw new PolicyError(`${place}.${name} must be ${name.endsWith('s') ? 'a list with at least one key' : 'one key'}`)
  return list.map((text) => {
    if (typeof text !== 'string' || text === '') throw new PolicyError(`${place}.${name} must be a text`)
    if (name.startsWith('keyPath')) return { path: resolve(directory, text) }
    const data = Buffer.from(text, 'base64')
    if (data.length > 0 && /^[A-Za-z0-9+/\s]+=*\s*$/.test(text)) return { data }
    throw new PolicyError(`${place}.${name} is not in base64`)
  })
}

/** matchRepoDigestOrExact where nothing is said. */
function readIdentity(value: unknown, place: string): SignedIdentity {
  if (value === undefined) return { type: 'matchRepoDigestOrExact' }
  const { type } = openObject(value, place)
  const text = (members: Members, name: string): string => {
    const found = members[name]
    if (typeof found === 'string' && parseDockerReference(found) !== undefined) return found
    throw new PolicyError(`${place}.${name} is ${show(found)}, which is no name of an image`)
  }
  switch (type) {
    case 'matchExact':
    case 'matchRepoDigestOrExact':
    case 'matchRepository':
      openObject(value, place, ['type'])
      return { type }
    case 'exactReference': {
      const dockerReference = text(openObject(value, place, ['type', 'dockerReference']), 'dockerReference')
      if (!/[:@][^/]*$/.test(dockerReference))
        throw new PolicyError(`${place}.dockerReference has no tag and no digest`)
      return { type, dockerReference }
    }
    case 'exactRepository':
      return {
        type,
        dockerRepository: text(openObject(value, place, ['type', 'dockerRepository']), 'dockerRepository'),
      }
    case 'remapIdentity': {
      const { prefix, signedPrefix } = openObject(value, place, ['type', 'prefix', 'signedPrefix'])
      return { type, prefix: readPrefix(prefix, place), signedPrefix: readPrefix(signedPrefix, place) }
    }
    default:
      throw new PolicyError(`${place} is of the type ${show(type)}, which is not known here`)
  }
}

/** A registry, or one with the beginning of a repository's name; neither tag nor digest. */
function readPrefix(value: unknown, place: string): string {
  if (typeof value === 'string' && /^[A-Za-z0-9.-]+(?::\d+)?(?:\/[a-z0-9._-]+)*$/.test(value)) return value
  throw new PolicyError(`${place} has the prefix ${show(value)}, which is no registry or repository`)
}

function show(value: unknown): string {
  return typeof value === 'string' ? quoteText(value) : typeof value
}
