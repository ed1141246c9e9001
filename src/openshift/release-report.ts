// What the acts on a release tell, for people and programs.
import type { Digest } from '../oci/digest.ts'
import type { CopiedImage, CopyReport } from '../exchange/copied-image.ts'
import type { ReleaseMetadata } from './payload.ts'

/**
 * - verified: every keyring of its payload is satisfied;
 * - unsigned: no signature was found, or its stores did not answer;
 * - wrong: there are signatures, and a keyring that none of them satisfies;
 * - none: its payload names no keyring, so there is nothing to verify with.
 */
export type SignatureState = 'verified' | 'unsigned' | 'wrong' | 'none'

export interface SignatureReport {
  readonly state: SignatureState
  /** One sentence. */
  readonly what: string
  /** Good signatures: of the release image, and of those of its list. */
  readonly good: readonly {
    readonly digest: Digest
    readonly keyring: string
    readonly keyId: string
    /** What the signer calls the image. */
    readonly reference: string
    readonly from: string
  }[]
  /** Why signatures did not count, and stores that did not answer. */
  readonly problems: readonly string[]
}

/** What a payload says, for `tarn release info`. */
export interface ReleaseInfo {
  readonly name: string
  readonly version: string
  readonly digest: Digest
  /** Of the image whose payload was read; the digest itself unless that is a list. */
  readonly image: Digest
  readonly created: string | undefined
  readonly os: string
  readonly architecture: string
  readonly architectures: readonly string[]
  readonly isList: boolean
  /** Registry and repository with the digest. */
  readonly pullFrom: string
  readonly files: { readonly manifests: number; readonly metadata: number }
  readonly metadata: ReleaseMetadata | undefined
  readonly versions: readonly { readonly name: string; readonly version: string }[]
  readonly images: readonly { readonly name: string; readonly digest: Digest; readonly pullSpec: string }[]
  readonly signature: SignatureReport
}

/** One image of a release as a mirror left it. */
export interface MirroredImage extends Omit<CopiedImage, 'from'> {
  /** The components that it is; none for the release image. */
  readonly components: readonly string[]
  readonly from: string
}

/**
 * Whether something of the release is not there: an image, what refers to one (sigstore's signatures), or the signature without
 * which a cluster whose keyring asks for one takes no release.
 */
export function isInPart({ counts, signature }: Pick<MirrorReport, 'counts' | 'signature'>): boolean {
  return counts.failed > 0 || counts.incomplete > 0 || signature.state === 'unsigned'
}

export interface MirrorReport {
  readonly version: string
  readonly digest: Digest
  /** The repository of the mirror; with its registry where that is another one. */
  readonly to: string
  readonly dryRun: boolean
  /** The release image last. */
  readonly images: readonly MirroredImage[]
  readonly counts: CopyReport['counts']
  readonly tags: number
  readonly blobs: number
  readonly bytes: number
  readonly seconds: number
  readonly signature: SignatureReport
  /** Signatures that are stored for clusters now. */
  readonly stored: number
  /** `Success` and what follows it; undefined while the release is not whole there. */
  readonly instructions: string | undefined
  /** The tag of the release image. */
  readonly image: string
}

export interface ReleaseFault {
  readonly kind:
    | 'missing image'
    | 'missing tag'
    | 'other image under the tag'
    | 'missing blob'
    | 'wrong blob'
    /** Of sigstore: `sha256-<hex>.sig` beside an image. */
    | 'missing signature'
    /** An attestation, an SBOM, or whatever else refers to an image. */
    | 'missing referrer'
    /** Of the release, for its keyrings. */
    | 'signature'
  readonly component?: string
  readonly digest?: Digest
  /** A sentence. */
  readonly what: string
}

export interface VerifyReport {
  readonly name: string
  readonly version: string
  readonly digest: Digest
  readonly components: number
  readonly manifests: number
  /** What refers to its images here: signatures of sigstore, attestations, SBOMs. */
  readonly referrers: number
  /** Whether it is known what should refer to them; else only what is here can be looked at. */
  readonly recorded: boolean
  readonly blobs: number
  readonly bytes: number
  /** Blobs were only asked for, not read. */
  readonly fast: boolean
  readonly seconds: number
  readonly faults: readonly ReleaseFault[]
  readonly signature: SignatureReport
  readonly ok: boolean
}
