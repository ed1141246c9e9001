// Whether a bundle may be taken, by its signature: asked before anything but its index was looked at.
import { makeFlaw } from './flaw.ts'
import type { AllowedSigner } from './allowed-signers.ts'
import { requireAllowed } from './allowed-signers.ts'
import type { BundleHead } from './read-bundle.ts'
import { verifySignature } from './signature.ts'
import { fingerprint } from './ssh-key.ts'

export interface SignaturePolicy {
  /** Who may sign; undefined where nobody said. An empty list lets nobody in. */
  readonly signers: readonly AllowedSigner[] | undefined
  /** `--require-signature` */
  readonly required: boolean
  /** Milliseconds since 1970. */
  readonly now: number
}

export type SignatureState =
  | { readonly state: 'unsigned' }
  /** By a key of which nobody said whether to trust it. */
  | { readonly state: 'signed'; readonly key: string }
  | { readonly state: 'trusted'; readonly key: string; readonly signer: string }

/** Throws a flaw for a bundle that must not be taken. */
export function judgeSignature(
  { indexBytes, signature }: Pick<BundleHead, 'indexBytes' | 'signature'>,
  { signers, required, now }: SignaturePolicy,
): SignatureState {
  if (required && signers === undefined) {
    throw makeFlaw('a signature is required, and there is no allowed_signers file that says whose', {
      hint: 'put the line that the sender’s tarn bundle keygen printed into auth/allowed_signers',
    })
  }
  if (signature === undefined) {
    if (!required && signers === undefined) return { state: 'unsigned' }
    const why = required ? 'a signature is required' : 'there is an allowed_signers file'
    throw makeFlaw(`the bundle is not signed, and ${why}`, {
      hint: 'ask for one that is signed: tarn bundle create --key FILE',
    })
  }
  const key = verifySignature(indexBytes, signature)
  if (signers === undefined) return { state: 'signed', key: fingerprint(key) }
  const { principals } = requireAllowed(signers, key, now)
  return { state: 'trusted', key: fingerprint(key), signer: principals }
}
