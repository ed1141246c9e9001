// Answers of /v2 from bundles that are served from where they lie: what is small comes from their directory as from any
// other, layers come out of the tar. As from a data directory that a tar brought, the first byte of a large one does not wait for
// the last to be verified, and the last leaves only then.
import type { Digest } from '../oci/digest.ts'
import { registryError } from '../oci/errors.ts'
import type { RepositoryName } from '../oci/name.ts'
import type { Context } from '../registry/context.ts'
import { HASH_FIRST } from '../registry/pull-blob.ts'
import type { Source } from '../registry/source.ts'
import type { ServedBlobs } from './served-blobs.ts'

/** Puts the blobs of bundles behind the links of `context`; all else is answered by `local`. */
export function bundleSource(local: Source, { store }: Pick<Context, 'store'>, blobs: ServedBlobs): Source {
  const find = (name: RepositoryName, digest: Digest): { readonly stored: Digest; readonly size: number } => {
    const stored = store.links.resolve(name, digest)
    const size = stored && blobs.sizeOf(stored)
    if (stored === undefined || size === undefined) throw registryError('BLOB_UNKNOWN', { detail: digest })
    return { stored, size }
  }
  const requireRight = async (digest: Digest, stored: Digest): Promise<void> => {
    if (!(await blobs.isRight(stored))) throw registryError('BLOB_UNKNOWN', { detail: digest })
  }
  return {
    ...local,
    async statBlob(name, digest) {
      const { stored, size } = find(name, digest)
      await requireRight(digest, stored)
      return size
    },
    async pullBlob(name, digest, inPart) {
      const { stored, size } = find(name, digest)
      const state = await blobs.stateOf(stored)
      // A part cannot be verified on its way; a small one that is wrong is a clean answer.
      const isLate = blobs.verdictIn(stored, state) === undefined && !inPart && size > HASH_FIRST
      if (!isLate) await requireRight(digest, stored)
      return {
        digest,
        size,
        async send({ start, end }, sink) {
          for await (const piece of blobs.readProven(stored, start, end, state)) await sink(piece)
        },
        leave: () => undefined,
        close: async () => undefined,
      }
    },
  }
}
