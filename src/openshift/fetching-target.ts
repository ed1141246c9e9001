// This registry's directory as a target whose blobs come straight from an upstream: by the mirror's own transfers, so that
// a pull and a release that want one blob read it once (I9), and what broke off goes on where it was, in the next run too.
import type { ImageTarget } from '../exchange/image-target.ts'
import type { BlobFetcher } from '../mirror/fetch-blob.ts'
import type { Upstream } from '../mirror/upstream.ts'
import type { RepositoryName } from '../oci/name.ts'

/** As `target` in everything but the bytes of blobs, which come from `repository` of `upstream`; `onBytes` is told of each that came. */
export function fetchingTarget(
  target: ImageTarget,
  blobs: Pick<BlobFetcher, 'fetch'>,
  { upstream, repository }: { readonly upstream: Upstream; readonly repository: RepositoryName },
  onBytes: (count: number) => void,
): ImageTarget {
  return {
    ...target,
    async putBlob(name, { digest, size }) {
      let isSent = false
      await blobs.fetch({ name, upstream, repository }, { digest, size, patient: true }, () => (isSent = true))
      if (isSent) onBytes(size)
      return isSent ? 'sent' : 'linked'
    },
  }
}
