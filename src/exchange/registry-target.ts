// A remote registry, or the one behind a local socket, as a place to put images into.
import type { RepositoryName } from '../oci/name.ts'
import type { PushClient } from '../upstream/push-client.ts'
import type { AskedWith, ImageSource } from './image-source.ts'
import type { ImageTarget, OpenBytes } from './image-target.ts'

export interface RegistryTargetOptions {
  readonly client: PushClient
  /** The same registry, to see what its tags mean now. */
  readonly reader: ImageSource
  readonly name?: string
}

/** Closing it closes both. */
export function registryTarget({ client, reader, name = client.host }: RegistryTargetOptions): ImageTarget {
  return {
    name,
    hasBlob: (repository, { digest }, options = {}) => client.hasBlob(repository, digest, signalOf(options)),
    async putBlob(repository, { digest, size }, open, options = {}) {
      const from: readonly RepositoryName[] = options.from === undefined ? [] : [options.from]
      const outcome = await client.pushBlob({
        repository,
        digest,
        size,
        from,
        isAbsent: true,
        open: (offset) => readFrom(open, offset),
        ...signalOf(options),
      })
      return outcome === 'pushed' ? 'sent' : 'linked'
    },
    hasManifest: (repository, digest, options = {}) => client.hasManifest(repository, digest, signalOf(options)),
    async putManifest(repository, { bytes, digest, mediaType }, tag, options = {}) {
      const reference = tag === undefined ? ({ kind: 'digest', digest } as const) : ({ kind: 'tag', tag } as const)
      await client.pushManifest({
        repository,
        reference,
        digest,
        bytes: Buffer.from(bytes),
        mediaType,
        ...signalOf(options),
      })
    },
    readTag: async (repository, tag, options) =>
      (await reader.readManifest(repository, { kind: 'tag', tag }, options))?.digest,
    async close() {
      await reader.close()
      await client.close()
    },
  }
}

/** From the beginning each time, so that all of it is verified; what the registry has is left out. */
async function* readFrom(open: OpenBytes, offset: number): AsyncGenerator<Uint8Array> {
  const bytes = await open()
  let skip = offset
  try {
    for await (const chunk of bytes as AsyncIterable<Uint8Array>) {
      const rest = chunk.subarray(Math.min(skip, chunk.byteLength))
      skip -= chunk.byteLength - rest.byteLength
      if (rest.byteLength > 0) yield rest
    }
  } finally {
    bytes.destroy()
  }
}

function signalOf({ signal }: AskedWith): { readonly signal?: AbortSignal } {
  return signal === undefined ? {} : { signal }
}
