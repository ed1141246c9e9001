// The upstreams as a place to heal from: what is lost or rotten here and belongs to a mirrored repository is asked for
// where it came from. Whoever asks hashes it.
import { Readable } from 'node:stream'
import type { Digest } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/name.ts'
import type { BlobSource } from '../storage/check/source.ts'
import type { Store } from '../storage/store.ts'
import { UpstreamError } from '../upstream/upstream-error.ts'
import type { Located } from './route.ts'

export interface HealParts {
  readonly store: Pick<Store, 'repositories' | 'links' | 'manifests'>
  readonly locate: (name: RepositoryName) => Located | undefined
  readonly mayAsk: (located: Located) => boolean
}

/** Makes the source. It opens no connection before it is asked. */
export function healFromUpstreams(parts: HealParts): BlobSource {
  return {
    name: 'the upstream',
    async open(digest, size, signal) {
      // That one of them cannot be asked is told only when no other has it.
      let failure: UpstreamError | undefined
      for await (const located of findHolders(parts, digest)) {
        const bytes = await openAt(located, digest, size, signal)
        if (bytes instanceof Readable) return bytes
        if (bytes.kind !== 'notFound') failure = bytes
      }
      if (failure !== undefined) throw failure
      return undefined
    },
  }
}

async function* findHolders({ store, locate, mayAsk }: HealParts, digest: Digest): AsyncGenerator<Located> {
  for await (const name of store.repositories.names()) {
    const located = locate(name)
    if (located === undefined || !mayAsk(located)) continue
    const holds = store.links.resolve(name, digest) ?? store.manifests.resolve(name, digest)
    if (holds !== undefined) yield located
  }
}

async function openAt(
  { upstream, repository }: Located,
  digest: Digest,
  size: number | undefined,
  signal: AbortSignal | undefined,
): Promise<Readable | UpstreamError> {
  const { client } = upstream
  const options = { ...(signal && { signal }) }
  try {
    const { body } = await client.getBlob({ repository, digest, ...(size !== undefined && { size }), ...options })
    const stream = Readable.from(body, { objectMode: false })
    // One that is destroyed unread never comes to the end of its source.
    stream.once('close', () => body.destroy())
    return stream
  } catch (error) {
    if (!(error instanceof UpstreamError)) throw error
  }
  // Registries do not hand out manifests as blobs, and it may be one.
  try {
    const { bytes } = await client.getManifest(repository, { kind: 'digest', digest }, options)
    return Readable.from([bytes])
  } catch (error) {
    if (error instanceof UpstreamError) return error
    throw error
  }
}
