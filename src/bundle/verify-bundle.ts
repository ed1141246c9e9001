// Verifies parts of bundles without taking anything: every byte is read and hashed, and of blobs that are cut the whole as
// well, when their parts are given in order.
import type { Hash } from 'node:crypto'
import { createHash } from 'node:crypto'
import type { Digest } from '../oci/digest.ts'
import { algorithmOf, hexOf } from '../oci/digest.ts'
import type { Progress } from '../registry/collect.ts'
import type { ByteSource } from '../storage/byte-source.ts'
import { BadArchive } from './bad-archive.ts'
import type { BundleBlob } from './bundle-index.ts'
import { countBytes } from './import-data.ts'
import type { SignaturePolicy, SignatureState } from './judge-signature.ts'
import { judgeSignature } from './judge-signature.ts'
import type { BundlePart } from './read-bundle.ts'
import { readBundle } from './read-bundle.ts'
import type { BlobOutcome } from './read-archive.ts'
import { hashBlobs } from './take-blobs.ts'

export interface VerifiedPart {
  readonly bundle: { readonly id: string; readonly sequence: number; readonly part: number; readonly parts: number }
  readonly signature: SignatureState
  /** Whole blobs and slices. */
  readonly blobs: number
  /** Of them. */
  readonly bytes: number
  /** Of the whole bundle. */
  readonly images: number
}

export interface VerifyOptions {
  readonly policy: SignaturePolicy
  readonly size?: number | undefined
  readonly emit?: (progress: Progress) => void
}

export class BundleVerifier {
  readonly #cut = new Map<Digest, { readonly hash: Hash; offset: number }>()

  /** Reads one part. Throws BadArchive and flaws for what is wrong with it, exit code 4. */
  async verify(source: ByteSource, options: VerifyOptions): Promise<VerifiedPart> {
    const { policy, size, emit = () => undefined } = options
    let signature: SignatureState = { state: 'unsigned' }
    const taker = {
      ...hashBlobs(),
      takeSlice: (blob: BundleBlob, slice: { digest: Digest }, offset: number, bytes: AsyncIterable<Uint8Array>) =>
        this.#takeSlice(blob, slice.digest, offset, bytes),
    }
    const part = await readBundle(countBytes(source, size, emit), taker, async (head) => {
      signature = judgeSignature(head, policy)
    })
    return { ...describePart(part), signature }
  }

  async #takeSlice(
    blob: BundleBlob,
    digest: Digest,
    offset: number,
    bytes: AsyncIterable<Uint8Array>,
  ): Promise<BlobOutcome> {
    const own = createHash(algorithmOf(digest))
    const begun = offset === 0 ? { hash: createHash(algorithmOf(blob.digest)), offset: 0 } : this.#cut.get(blob.digest)
    const whole = begun?.offset === offset ? begun : undefined
    for await (const part of bytes) {
      own.update(part)
      if (whole === undefined) continue
      whole.hash.update(part)
      whole.offset += part.byteLength
    }
    if (own.digest('hex') !== hexOf(digest)) return 'wrong'
    if (whole === undefined) return 'new'
    this.#cut.set(blob.digest, whole)
    if (whole.offset < blob.size) return 'new'
    this.#cut.delete(blob.digest)
    if (whole.hash.digest('hex') === hexOf(blob.digest)) return 'new'
    throw new BadArchive(`the slices of ${blob.digest} do not make that blob`)
  }
}

function describePart({ head, blobs, slices }: BundlePart): Omit<VerifiedPart, 'signature'> {
  const { id, sequence, parts, repositories } = head.index
  const all = [...blobs.values(), ...slices.values()]
  return {
    bundle: { id, sequence, part: head.part, parts },
    blobs: all.length,
    bytes: all.reduce((sum, { size }) => sum + size, 0),
    images: repositories.reduce((sum, { images }) => sum + images.length, 0),
  }
}
