// The data directory as a place to read images from, by the use cases of the registry: only what is whole is there, and
// what nobody verified yet is verified on its way. It changes nothing.
import { PassThrough, type Readable } from 'node:stream'
import type { Digest } from '../oci/digest.ts'
import { RegistryError } from '../oci/errors.ts'
import type { RepositoryName } from '../oci/name.ts'
import type { Context } from '../registry/context.ts'
import { listReferrers } from '../registry/list.ts'
import type { PulledBlob } from '../registry/pull-blob.ts'
import { pullBlob } from '../registry/pull-blob.ts'
import { findManifest } from '../registry/pull-manifest.ts'
import type { StoredManifest } from '../storage/manifests.ts'
import { walkRevisions } from '../storage/read-tags.ts'
import type { ImageSource, SourceImage } from './image-source.ts'

const BUFFERED = 1024 * 1024

/** `close` closes whatever `onClose` does, such as the directory. */
export function storeSource(context: Context, name: string, onClose?: () => Promise<void>): ImageSource {
  const need = (repository: RepositoryName | undefined): RepositoryName => {
    if (repository === undefined) throw new Error('the data directory has no image without a repository')
    return repository
  }
  return {
    name,
    images: () => listImages(context),
    async readManifest(repository, reference) {
      const found = await findManifest(context, need(repository), reference)
      return found && { bytes: found.bytes, digest: found.digest, mediaType: found.manifest.mediaType }
    },
    async openBlob(repository, { digest }) {
      try {
        return streamBlob(await pullBlob(context, need(repository), digest, false))
      } catch (error) {
        if (!(error instanceof RegistryError) || error.code !== 'BLOB_UNKNOWN') throw error
        throw new Error(`${digest} is not in ${name}, or its bytes are wrong`, { cause: error })
      }
    },
    async listReferrers(repository, digest) {
      const found: StoredManifest[] = []
      for await (const referrer of listReferrers(context, need(repository), digest, '')) found.push(referrer)
      return found.map((each) => ({
        mediaType: each.manifest.mediaType,
        digest: each.digest,
        size: each.bytes.length,
      }))
    },
    close: async () => onClose?.(),
  }
}

async function* listImages({ store }: Context): AsyncGenerator<SourceImage> {
  for await (const repository of store.repositories.names()) {
    const named = new Set<Digest>()
    for await (const tag of store.tags.list(repository)) {
      const digest = store.tags.resolve(repository, tag)
      if (digest === undefined) continue
      named.add(digest)
      yield { repository, tag, digest }
    }
    for (const digest of await listLoose({ store }, repository, named)) yield { repository, digest }
  }
}

/** Manifests without a tag that no index names and that are about no other manifest. */
async function listLoose(
  { store }: Pick<Context, 'store'>,
  repository: RepositoryName,
  named: ReadonlySet<Digest>,
): Promise<readonly Digest[]> {
  const belonging = new Set(named)
  const all: Digest[] = []
  const ignore = { onStray: () => undefined, onUnreadable: () => undefined }
  for (const { digest, target } of walkRevisions(store.layout, repository, ignore)) {
    const stored = target && (await store.manifests.load(digest, target))
    if (stored === undefined) continue
    for (const child of stored.manifest.manifests) belonging.add(child.digest)
    if (stored.manifest.subject === undefined) all.push(digest)
  }
  return all.filter((digest) => !belonging.has(digest))
}

/** The bytes of a blob as a stream; destroying it ends the reading. */
export function streamBlob(blob: PulledBlob): Readable {
  const stream = new PassThrough({ highWaterMark: BUFFERED })
  const gone = new Promise<never>((_resolve, reject) =>
    stream.once('close', () => {
      blob.leave()
      reject(new Error('nobody reads this blob any more'))
    }),
  )
  gone.catch(() => undefined)
  const sink = async (chunk: Uint8Array): Promise<void> => {
    // The buffer is used again as soon as this returns, and the stream may still hold it.
    if (stream.write(Buffer.from(chunk))) return
    await Promise.race([gone, new Promise<void>((resolve) => stream.once('drain', resolve))])
  }
  blob
    .send({ start: 0, end: blob.size }, sink)
    .then(
      () => stream.end(),
      (error: unknown) => stream.destroy(error instanceof Error ? error : new Error(String(error))),
    )
    .finally(() => blob.close())
    .catch(() => undefined)
  return stream
}
