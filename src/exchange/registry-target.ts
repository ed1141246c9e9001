// A remote registry, or the one behind a local socket, as a place to put images into.
import { digestOf } from '../oci/digest.ts'
import { readManifest } from '../oci/manifest.ts'
import type { RepositoryName } from '../oci/name.ts'
import { parseTag } from '../oci/reference.ts'
import type { Tag } from '../oci/reference.ts'
import { addReferrers, listedReferrers } from '../oci/referrers-index.ts'
import { readSubjectTag, subjectTagOf } from '../oci/subject-tag.ts'
import { Mutex } from '../storage/mutex.ts'
import type { PushClient } from '../upstream/push-client.ts'
import { UpstreamError } from '../upstream/upstream-error.ts'
import type { AskedWith, ImageManifest, ImageSource } from './image-source.ts'
import type { ImageTarget, OpenBytes } from './image-target.ts'

export interface RegistryTargetOptions {
  readonly client: PushClient
  /** The same registry, to see what its tags mean now. */
  readonly reader: ImageSource
  readonly name?: string
}

/** Closing it closes both. */
export function registryTarget({ client, reader, name = client.host }: RegistryTargetOptions): ImageTarget {
  // Two images of a run may have what refers to them in one list.
  const lists = new Mutex()
  const push = (
    repository: RepositoryName,
    { bytes, digest, mediaType }: ImageManifest,
    tag: Tag | undefined,
    options: AskedWith,
  ): Promise<unknown> => {
    const reference = tag === undefined ? ({ kind: 'digest', digest } as const) : ({ kind: 'tag', tag } as const)
    const manifest = { digest, bytes: Buffer.from(bytes), mediaType }
    return client.pushManifest({ repository, reference, ...manifest, ...signalOf(options) })
  }
  const pushList = (repository: RepositoryName, tag: Tag, bytes: Buffer, options: AskedWith): Promise<unknown> =>
    push(repository, { bytes, digest: digestOf(bytes), mediaType: readManifest(bytes).mediaType }, tag, options)
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
        beforeCommit: options.beforeCommit,
        open: (offset) => readFrom(open, offset),
        ...signalOf(options),
      })
      return outcome === 'pushed' ? 'sent' : 'linked'
    },
    hasManifest: (repository, digest, options = {}) => client.hasManifest(repository, digest, signalOf(options)),
    async putManifest(repository, manifest, tag, options = {}) {
      const entries = tag === undefined ? undefined : entriesOf(tag, manifest)
      if (tag === undefined || entries === undefined) {
        await push(repository, manifest, tag, options)
        return
      }
      // What others wrote into the list of that registry stays in it.
      await lists.run(`${repository}:${tag}`, async () => {
        const before = await client.getTagged(repository, tag, signalOf(options))
        const joined = before && addReferrers(manifest.bytes, listedReferrers(before.bytes) ?? [])
        if (joined === undefined) await push(repository, manifest, tag, options)
        else await pushList(repository, tag, joined, options)
      })
    },
    async holdsList(repository, tag, list, options = {}) {
      const entries = entriesOf(tag, list)
      const there = entries && (await client.getTagged(repository, tag, signalOf(options)))
      return there !== undefined && entries !== undefined && addReferrers(there.bytes, entries) === undefined
    },
    async refer(repository, subject, referrers, { dryRun = false, ...options } = {}) {
      if (await client.keepsReferrers(repository, subject, signalOf(options))) return false
      const tag = parseTag(subjectTagOf(subject))
      return lists.run(`${repository}:${tag}`, async () => {
        const before = await client.getTagged(repository, tag, signalOf(options))
        if (before !== undefined && listedReferrers(before.bytes) === undefined)
          throw new UpstreamError('refused', `${repository}:${tag} is there and no list of what refers to an image`)
        const joined = addReferrers(before?.bytes, referrers)
        if (joined !== undefined && !dryRun) await pushList(repository, tag, joined, options)
        return joined !== undefined
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

/** The entries of a list under the tag of the manifest that it is about; undefined for everything else. */
function entriesOf(tag: Tag, { bytes }: Pick<ImageManifest, 'bytes'>): ReturnType<typeof listedReferrers> {
  return readSubjectTag(tag) === tag ? listedReferrers(bytes) : undefined
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
