// Signatures of a release out of the stores that its payload names: `<store>/sha256=<hex>/signature-1` and on until one is
// not there, as `oc` and the cluster-version operator ask. What comes is not verified here.
import type { Digest } from '../oci/digest.ts'
import { MOST_SIGNATURE_BYTES, MOST_SIGNATURES } from '../storage/signatures.ts'
import type { Fetcher } from '../upstream/fetch-small.ts'
import { UpstreamError } from '../upstream/upstream-error.ts'

export interface FoundSignature {
  readonly bytes: Buffer
  /** Where it came from, for people. */
  readonly from: string
}

export interface StoreAnswer {
  /** Each once. */
  readonly signatures: readonly FoundSignature[]
  /** Stores that did not answer, with the reason. */
  readonly failures: readonly { readonly store: string; readonly reason: string }[]
}

/** Asks all stores together. Throws only when `signal` is aborted. */
export async function fetchSignatures(
  stores: readonly string[],
  digest: Digest,
  fetcher: Pick<Fetcher, 'get'>,
  signal?: AbortSignal,
): Promise<StoreAnswer> {
  const answers = await Promise.all(stores.map((store) => askStore(store, digest, fetcher, signal)))
  const signatures: FoundSignature[] = []
  for (const found of answers.flatMap((answer) => answer.signatures)) {
    if (!signatures.some(({ bytes }) => bytes.equals(found.bytes))) signatures.push(found)
  }
  return { signatures, failures: answers.flatMap(({ failures }) => failures) }
}

async function askStore(
  store: string,
  digest: Digest,
  fetcher: Pick<Fetcher, 'get'>,
  signal: AbortSignal | undefined,
): Promise<StoreAnswer> {
  const signatures: FoundSignature[] = []
  const base = store.replace(/\/+$/, '')
  try {
    for (let number = 1; number <= MOST_SIGNATURES; number += 1) {
      const address = `${base}/${digest.replace(':', '=')}/signature-${number}`
      const bytes = await fetcher.get(address, { limit: MOST_SIGNATURE_BYTES, signal })
      if (bytes === undefined) break
      signatures.push({ bytes, from: address })
    }
    return { signatures, failures: [] }
  } catch (error) {
    signal?.throwIfAborted()
    if (!(error instanceof UpstreamError)) throw error
    return { signatures, failures: [{ store, reason: error.message }] }
  }
}
