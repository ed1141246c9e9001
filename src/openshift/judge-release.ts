// Gathers the signatures of a release from wherever its source has them, and says what they are worth.
import type { Digest } from '../oci/digest.ts'
import type { Payload } from './find-payload.ts'
import type { SignatureReport, SignatureState } from './release-report.ts'
import type { FoundSignature, StoreAnswer } from './signature-stores.ts'
import { verifySignatures } from './verify-signatures.ts'
import type { GoodSignature } from './verify-signatures.ts'

export interface JudgedRelease {
  readonly report: SignatureReport
  /** Those that are worth storing, each once. */
  readonly good: readonly { readonly digest: Digest; readonly bytes: Buffer }[]
}

export interface JudgeParts {
  /** Signatures of a digest, good or not. */
  readonly find: (digest: Digest, stores: readonly string[]) => Promise<StoreAnswer>
  readonly now: Date
}

/** Throws what `find` throws. */
export async function judgeRelease(
  payload: Pick<Payload, 'digest' | 'image' | 'isList' | 'verification'>,
  { find, now }: JudgeParts,
): Promise<JudgedRelease> {
  const { digest, image, verification } = payload
  if (verification === undefined) {
    const what = 'its payload names no keyring: there is nothing to verify it with'
    return { report: { state: 'none', what, good: [], problems: [] }, good: [] }
  }
  const problems = new Set<string>()
  const good: (GoodSignature & { readonly digest: Digest })[] = []
  let state: SignatureState = 'unsigned'
  let what = ''
  // Of a list the images are signed too, and `oc` asks for theirs.
  for (const each of new Set([digest, image])) {
    const { signatures, failures } = await find(each, verification.stores)
    const verdict = await verifySignatures(each, signatures, verification.keyrings, now)
    good.push(...verdict.good.map((signature) => ({ ...signature, digest: each })))
    for (const { store, reason } of failures) problems.add(`${store}: ${reason}`)
    for (const { from, reason } of verdict.rejected) problems.add(`${from}: ${reason}`)
    if (each !== digest) continue
    state = verdict.verified ? 'verified' : signatures.length > 0 ? 'wrong' : 'unsigned'
    what = describe(state, each, verdict, signatures, failures.length)
  }
  const kept = new Map(good.map((each) => [`${each.digest} ${each.bytes.toString('base64')}`, each]))
  const told = good.map(({ digest: of, keyring, keyId, reference, from }) => ({
    digest: of,
    keyring,
    keyId,
    reference,
    from,
  }))
  return {
    report: { state, what, good: told, problems: [...problems] },
    // A keyring of two is no proof; what nobody verifies is not handed to clusters as if somebody had.
    good: state === 'verified' ? [...kept.values()].map(({ digest: of, bytes }) => ({ digest: of, bytes })) : [],
  }
}

function describe(
  state: SignatureState,
  digest: Digest,
  { good, unsatisfied }: { readonly good: readonly GoodSignature[]; readonly unsatisfied: readonly string[] },
  signatures: readonly FoundSignature[],
  failures: number,
): string {
  if (state === 'verified') {
    const by = [...new Set(good.map(({ keyring, keyId }) => `${keyring} (key ${keyId})`))]
    return `${digest} is signed: ${by.join(', ')}`
  }
  if (state === 'wrong')
    return `none of ${signatures.length} signatures of ${digest} satisfies ${unsatisfied.join(', ')}`
  const why = failures > 0 ? `, and ${failures} of its stores did not answer` : ''
  return `no signature of ${digest} was found${why}`
}
