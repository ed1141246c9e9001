// A blob of an upstream that is small and needed whole: a config, what somebody signed. Verified against its digest.
import type { Descriptor } from '../oci/descriptor.ts'
import { algorithmOf, digestOf } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/name.ts'
import type { UpstreamClient } from '../upstream/client.ts'
import { UpstreamError } from '../upstream/upstream-error.ts'

export interface SmallBlobPlace {
  readonly client: Pick<UpstreamClient, 'getBlob'>
  /** As the upstream spells it. */
  readonly repository: RepositoryName
  readonly signal: AbortSignal
}

/** The caller has looked at the size. Throws an UpstreamError, 'invalid' for other bytes than the digest's. */
export async function readSmallBlob(
  { client, repository, signal }: SmallBlobPlace,
  { digest, size }: Pick<Descriptor, 'digest' | 'size'>,
): Promise<Buffer> {
  const { body } = await client.getBlob({ repository, digest, size, signal })
  const pieces: Buffer[] = []
  try {
    for await (const piece of body) pieces.push(piece)
  } finally {
    body.destroy()
  }
  const bytes = Buffer.concat(pieces)
  if (digestOf(bytes, algorithmOf(digest)) === digest) return bytes
  throw new UpstreamError('invalid', `the bytes of ${digest} are not what their digest says`)
}
