// Answers of /v2 from bundles that are served from where they lie: what is small comes from their directory as from any
// other, layers come out of the tar, hashed before their first byte is sent.
import type { Digest } from '../oci/digest.ts'
import { registryError } from '../oci/errors.ts'
import type { RepositoryName } from '../oci/name.ts'
import type { Context } from '../registry/context.ts'
import type { Source } from '../registry/source.ts'
import type { BundleBlobs } from './open-bundle.ts'

/** Puts the blobs of bundles behind the links of `context`; all else is answered by `local`. */
export function bundleSource(local: Source, { store }: Pick<Context, 'store'>, blobs: BundleBlobs): Source {
  /** The size of a blob that the repository serves out of a tar; undefined for what is not there. */
  const find = async (name: RepositoryName, digest: Digest): Promise<number | undefined> => {
    const stored = store.links.resolve(name, digest)
    const size = stored && blobs.sizeOf(stored)
    return stored !== undefined && size !== undefined && (await blobs.isRight(stored)) ? size : undefined
  }
  return {
    ...local,
    async statBlob(name, digest) {
      const size = await find(name, digest)
      if (size === undefined) throw registryError('BLOB_UNKNOWN', { detail: digest })
      return size
    },
    async pullBlob(name, digest) {
      const size = await find(name, digest)
      if (size === undefined) throw registryError('BLOB_UNKNOWN', { detail: digest })
      return {
        digest,
        size,
        async send({ start, end }, sink) {
          for await (const piece of blobs.read(digest, start, end)) await sink(piece)
        },
        leave: () => undefined,
        close: async () => undefined,
      }
    },
  }
}
