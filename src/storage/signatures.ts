// Signatures of OpenShift releases: the bytes that a release's signature store gave, under .tarn/state/signatures in the
// names of such a store. Nothing here says that a signature is right: whoever uses one verifies it (a stranger's tar can
// bring any), and a cluster does. Read from the directory at each question (I2).
import { constants, readFileSync, readdirSync } from 'node:fs'
import { Problem } from '../config/problem.ts'
import type { Digest } from '../oci/digest.ts'
import { joinDigest } from '../oci/digest.ts'
import type { Layout } from './layout.ts'
import { isNotThere, statFile } from './stamp.ts'
import type { Store } from './store.ts'

/** Clusters and oc read no more of one signature (library-go's sigstore client). */
export const MOST_SIGNATURE_BYTES = 50 * 1024

/** How many of one digest oc and clusters ask for, from `signature-1` on until one is missing. */
export const MOST_SIGNATURES = 9

export interface StoredSignature {
  /** From 1. */
  readonly number: number
  readonly bytes: Buffer
}

// Not blocking: a pipe in the place of a signature would hold its reader for ever.
const READ = constants.O_RDONLY | constants.O_NONBLOCK

/** The bytes of one signature; undefined where there is none, or what is there cannot be one. Synchronous: they are small. */
export function readSignature(layout: Layout, digest: Digest, number: number): Buffer | undefined {
  if (!Number.isInteger(number) || number < 1 || number > MOST_SIGNATURES) return undefined
  const path = layout.signature(digest, number)
  const facts = statFile(path)
  if (facts === undefined || facts.size === 0 || facts.size > MOST_SIGNATURE_BYTES) return undefined
  try {
    const bytes = readFileSync(path, { flag: READ })
    return bytes.length > 0 && bytes.length <= MOST_SIGNATURE_BYTES ? bytes : undefined
  } catch (error) {
    if (isNotThere(error)) return undefined
    throw error
  }
}

/** All signatures of a digest that its readers would find: from the first on, up to a gap. */
export function readSignatures(layout: Layout, digest: Digest): StoredSignature[] {
  const found: StoredSignature[] = []
  for (let number = 1; number <= MOST_SIGNATURES; number += 1) {
    const bytes = readSignature(layout, digest, number)
    if (bytes === undefined) break
    found.push({ number, bytes })
  }
  return found
}

/** The digests of which there are signatures, in the order of their names. */
export function listSigned(layout: Layout): Digest[] {
  let names: string[]
  try {
    names = readdirSync(layout.signatures)
  } catch (error) {
    if (isNotThere(error)) return []
    throw error
  }
  return names
    .toSorted()
    .flatMap((name) => {
      const equals = name.indexOf('=')
      return joinDigest(name.slice(0, Math.max(0, equals)), name.slice(equals + 1)) ?? []
    })
    .filter((digest) => readSignature(layout, digest, 1) !== undefined)
}

/**
 * Stores a signature of `digest` behind those that are there; one that is there already is made durable and not stored
 * again. It survives a power cut when this returns. Gives its number. Throws a Problem for bytes that no reader would
 * take, and when there are as many as anybody reads. Only the keeper of the directory may call it.
 */
export async function storeSignature(
  { layout, durable, changes }: Pick<Store, 'layout' | 'durable' | 'changes'>,
  digest: Digest,
  bytes: Uint8Array,
): Promise<{ readonly number: number; readonly added: boolean }> {
  if (bytes.length === 0 || bytes.length > MOST_SIGNATURE_BYTES) {
    throw new Problem(`a signature of ${digest} has ${bytes.length} bytes`, {
      hint: `clusters read signatures of 1 to ${MOST_SIGNATURE_BYTES} bytes; nothing was stored`,
    })
  }
  // The names of repositories have no "=": this key is nobody's else.
  return changes.run(layout.signaturesOf(digest), async () => {
    const stored = readSignatures(layout, digest)
    const same = stored.find((signature) => signature.bytes.equals(bytes))
    if (same !== undefined && (await durable.hold(layout.signature(digest, same.number))) !== undefined) {
      return { number: same.number, added: false }
    }
    const number = stored.length + 1
    if (number > MOST_SIGNATURES) {
      throw new Problem(`there are ${stored.length} signatures of ${digest} already, and nobody reads more`, {
        hint: `see which of them are right: tarn release verify; remove others from ${layout.signaturesOf(digest)}`,
      })
    }
    await durable.writeSmall('link', layout.signature(digest, number), bytes)
    return { number, added: true }
  })
}
