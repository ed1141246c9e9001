// The public keys that a policy names, read when they are first needed: a policy that comes with a system names keys of
// registries that nobody here asks.
import { createPublicKey } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { Key } from 'openpgp'
import { describeUnreadable } from '../../config/problem.ts'
import { readKeyring } from './openpgp.ts'
import { PolicyError } from './policy-error.ts'
import type { KeyPlace } from './requirement.ts'

const LARGEST = 1 << 22

/** Reads each key once. What cannot be read is thrown every time. */
export class Keys {
  readonly #rings = new Map<KeyPlace, Promise<readonly Key[]>>()
  readonly #objects = new Map<KeyPlace, KeyObject>()

  /** The OpenPGP keys of these places together. Throws a Problem or an OpenPgpError. */
  async ring(places: readonly KeyPlace[]): Promise<readonly Key[]> {
    const rings = places.map((place) => {
      const known = this.#rings.get(place) ?? readKeyring(readBytes(place))
      this.#rings.set(place, known)
      return known
    })
    return (await Promise.all(rings)).flat()
  }

  /** The keys of cosign in PEM. Throws a Problem or a PolicyError. */
  publicKeys(places: readonly KeyPlace[]): KeyObject[] {
    return places.map((place) => {
      const known = this.#objects.get(place) ?? readPublicKey(place)
      this.#objects.set(place, known)
      return known
    })
  }
}

function readBytes(place: KeyPlace): Buffer {
  if ('data' in place) return place.data
  let bytes: Buffer
  try {
    bytes = readFileSync(place.path)
  } catch (error) {
    throw describeUnreadable('public key', place.path, error)
  }
  if (bytes.length <= LARGEST) return bytes
  throw new PolicyError(`${place.path} is too large for a public key`)
}

function readPublicKey(place: KeyPlace): KeyObject {
  const where = 'data' in place ? 'a key in the policy' : place.path
  const text = readBytes(place).toString('latin1')
  // Node would take the public half of a private key as well, which should lie nowhere near.
  if (!text.includes('-----BEGIN PUBLIC KEY-----')) throw new PolicyError(`${where} is no public key in PEM`)
  let key: KeyObject
  try {
    key = createPublicKey(text)
  } catch (cause) {
    throw new PolicyError(`${where} is no public key in PEM`, { cause })
  }
  if (['ec', 'rsa', 'ed25519'].includes(key.asymmetricKeyType ?? '')) return key
  throw new PolicyError(`${where} is a key of the kind ${key.asymmetricKeyType}, with which images are not signed`)
}
