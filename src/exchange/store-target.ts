// The data directory as a place to put images into, by the use cases of the registry: what is put is as durable and as
// whole as a push (I3, I5), and nothing of it is collected before it is linked (I6).
import { RegistryError } from '../oci/errors.ts'
import type { Context } from '../registry/context.ts'
import { statBlob } from '../registry/pull-blob.ts'
import { findManifest } from '../registry/pull-manifest.ts'
import { beginUpload, cancelUpload, finishUpload, mountBlob } from '../registry/push-blob.ts'
import { pushManifest } from '../registry/push-manifest.ts'
import { algorithmOf } from '../oci/digest.ts'
import type { ImageTarget } from './image-target.ts'
import { WrongBytes } from './verified.ts'

/** `close` closes whatever `onClose` does, such as the directory. */
export function storeTarget(context: Context, name: string, onClose?: () => Promise<void>): ImageTarget {
  return {
    name,
    hashes: true,
    async hasBlob(repository, { digest, size }) {
      try {
        return (await statBlob(context, repository, digest)) === size
      } catch (error) {
        if (error instanceof RegistryError && error.code === 'BLOB_UNKNOWN') return false
        throw error
      }
    },
    async putBlob(repository, { digest, size }, open, { beforeCommit } = {}) {
      // Wherever it lies: who gives commands may read all of it.
      const isHere = (await context.store.blobs.ensureWhole(digest).catch(() => undefined)) !== undefined
      if (isHere) await beforeCommit?.()
      if (isHere && (await mountBlob(context, repository, digest, undefined))) return 'linked'
      const key = await beginUpload(context, repository, undefined, algorithmOf(digest), size)
      try {
        const source = await open()
        try {
          await finishUpload(context, key, digest, { source, announced: size }, isHere ? undefined : beforeCommit)
        } finally {
          source.destroy()
        }
        return 'sent'
      } catch (error) {
        await cancelUpload(context, key).catch(() => undefined)
        if (error instanceof RegistryError && error.code === 'DIGEST_INVALID')
          throw new WrongBytes(`the bytes of ${digest} have another digest`)
        throw error
      }
    },
    hasManifest: async (repository, digest) =>
      (await findManifest(context, repository, { kind: 'digest', digest })) !== undefined,
    async putManifest(repository, { bytes, digest, mediaType }, tag) {
      const reference = tag === undefined ? ({ kind: 'digest', digest } as const) : ({ kind: 'tag', tag } as const)
      await pushManifest(context, { name: repository, reference, tags: [], bytes, contentType: mediaType })
    },
    readTag: async (repository, tag) => context.store.tags.resolve(repository, tag),
    close: async () => onClose?.(),
  }
}
