// Signatures of cosign beside an image: the manifest at the tag `sha256-<hex>.sig`, whose layers are what was signed and
// whose annotations are the signatures. Bounded: anybody who may push there can put anything there.
import type { Digest } from '../../oci/digest.ts'
import { RegistryError } from '../../oci/errors.ts'
import { readManifest } from '../../oci/manifest.ts'
import type { Manifest } from '../../oci/manifest.ts'
import type { RepositoryName } from '../../oci/name.ts'
import { parseTag } from '../../oci/reference.ts'
import { subjectTagOf } from '../../oci/subject-tag.ts'
import type { UpstreamClient } from '../../upstream/client.ts'
import { UpstreamError } from '../../upstream/upstream-error.ts'
import { readSmallBlob } from '../read-small-blob.ts'
import type { AttachedSignature } from './check-signature.ts'

export interface AttachmentPlace {
  readonly client: Pick<UpstreamClient, 'getManifest' | 'getBlob'>
  /** As the upstream spells it. */
  readonly repository: RepositoryName
  readonly signal: AbortSignal
}

/** The type of a layer that says what was signed. */
export const SIMPLE_SIGNING = 'application/vnd.dev.cosign.simplesigning.v1+json'
const SIGNATURE = 'dev.cosignproject.cosign/signature'
const MOST_SIGNATURES = 64
/** Bytes of such a layer. */
export const MOST_PAYLOAD = 65_536

/** Those that are there; none when there is no such tag. Throws an UpstreamError when that cannot be said. */
export async function readAttachments(place: AttachmentPlace, image: Digest): Promise<AttachedSignature[]> {
  const { client, repository, signal } = place
  const tag = parseTag(`${subjectTagOf(image)}.sig`)
  let manifest: Manifest
  try {
    manifest = readManifest((await client.getManifest(repository, { kind: 'tag', tag }, { signal })).bytes)
  } catch (error) {
    if (error instanceof UpstreamError && error.kind === 'notFound') return []
    // Whoever may push there may push what is no manifest: that is about this image, and no fault of ours.
    if (error instanceof RegistryError)
      throw new UpstreamError('invalid', `its signatures at ${tag} cannot be read: ${error.message}`, { cause: error })
    throw error
  }
  const layers = manifest.layers.filter(({ mediaType, size }) => mediaType === SIMPLE_SIGNING && size <= MOST_PAYLOAD)
  const found = layers.slice(0, MOST_SIGNATURES).map(async ({ digest, size, annotations }) => {
    const signature = annotations?.[SIGNATURE]
    if (signature === undefined) return undefined
    // One that was taken away or changed does not make the others worthless.
    const payload = await readSmallBlob(place, { digest, size }).catch(unlessAway)
    return payload && { payload, signature }
  })
  return (await Promise.all(found)).filter((each) => each !== undefined)
}

function unlessAway(error: unknown): undefined {
  if (!(error instanceof UpstreamError) || !['notFound', 'invalid'].includes(error.kind)) throw error
  return undefined
}
