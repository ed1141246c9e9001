// A remote registry as a place to read images from. Blobs go on by Range where a connection broke.
import { Readable } from 'node:stream'
import type { Descriptor } from '../oci/descriptor.ts'
import { readManifest } from '../oci/manifest.ts'
import type { RepositoryName } from '../oci/name.ts'
import type { Tag } from '../oci/reference.ts'
import { readSubjectTag } from '../oci/subject-tag.ts'
import { isPassing } from '../mirror/retry.ts'
import type { UpstreamClient } from '../upstream/client.ts'
import { UpstreamError } from '../upstream/upstream-error.ts'
import type { AskedWith, ImageSource, SourceImage } from './image-source.ts'

// A blob may break off as often as it likes while it comes on; so often in one place it does not.
const TRIES_IN_ONE_PLACE = 3

// Repositories with hundreds of thousands of tags, fifty on a page, as quay.io has them, take longer to list than a few images
// to ask for.
const MOST_PAGES = 10

export interface RegistrySourceOptions {
  readonly client: UpstreamClient
  /** For messages; the client's host unless given. */
  readonly name?: string
  /** What `images` lists; without it nothing. */
  readonly repositories?: readonly RepositoryName[]
  /** Runs what asks the registry, again if need be; once unless given. */
  readonly patient?: Patient
}

type Patient = <T>(act: () => Promise<T>) => Promise<T>

/** Closing it closes the client. */
export function registrySource(options: RegistrySourceOptions): ImageSource {
  const { client, name = client.host, repositories = [], patient = (act) => act() } = options
  const tags = new Map<RepositoryName, Promise<ReadonlySet<Tag> | undefined>>()
  // Few images have tags that are about them, and each would be a question: one list answers them all.
  const listOnce = (repository: RepositoryName): Promise<ReadonlySet<Tag> | undefined> => {
    const known = tags.get(repository)
    if (known !== undefined) return known
    const listing = patient(() => client.listTags(repository, { pages: MOST_PAGES })).then(
      (list) => (list.complete ? new Set(list.tags) : undefined),
      () => undefined,
    )
    tags.set(repository, listing)
    return listing
  }
  return {
    name,
    images: (options) => listImages(client, repositories, options),
    async readManifest(repository, reference, options = {}) {
      const named = need(repository, name)
      if (reference.kind === 'tag' && readSubjectTag(reference.tag) !== undefined) {
        if ((await listOnce(named))?.has(reference.tag) === false) return undefined
      }
      const found = await unlessNotFound(patient(() => client.getManifest(named, reference, signalOf(options))))
      if (found === undefined) return undefined
      const { bytes, digest, mediaType } = found
      return { bytes, digest, mediaType: mediaType ?? readManifest(bytes).mediaType }
    },
    async openBlob(repository, blob, options = {}) {
      const ask = { client, repository: need(repository, name), blob, options, patient }
      return Readable.from(readOn(ask), { objectMode: false, highWaterMark: 1024 * 1024 })
    },
    async listReferrers(repository, digest, options = {}) {
      const list = await patient(() => client.listReferrers(need(repository, name), digest, signalOf(options)))
      return list.descriptors
    },
    close: () => client.close(),
  }
}

async function* listImages(
  client: UpstreamClient,
  repositories: readonly RepositoryName[],
  options: AskedWith = {},
): AsyncGenerator<SourceImage> {
  for (const repository of repositories) {
    const { tags } = await client.listTags(repository, signalOf(options))
    for (const tag of tags) {
      const reference = { kind: 'tag', tag } as const
      const head = await unlessNotFound(client.headManifest(repository, reference, signalOf(options)))
      const digest =
        head?.digest ??
        (head && (await unlessNotFound(client.getManifest(repository, reference, signalOf(options))))?.digest)
      if (digest !== undefined) yield { repository, host: client.host, tag, digest }
    }
  }
}

interface BlobReading {
  readonly client: UpstreamClient
  readonly repository: RepositoryName
  readonly blob: Descriptor
  readonly options: AskedWith
  readonly patient: Patient
}

async function* readOn({ client, repository, blob, options, patient }: BlobReading): AsyncGenerator<Uint8Array> {
  const { digest, size } = blob
  let offset = 0
  let tries = 0
  while (offset < size || tries === 0) {
    try {
      const from = offset
      const answer = await patient(() =>
        client.getBlob({ repository, digest, size, offset: from, ...signalOf(options) }),
      )
      // It may begin again at the beginning.
      let skip = offset - answer.from
      try {
        for await (const chunk of answer.body) {
          const rest = chunk.subarray(Math.min(skip, chunk.byteLength))
          skip -= chunk.byteLength - rest.byteLength
          if (rest.byteLength === 0) continue
          offset += rest.byteLength
          tries = 0
          yield rest
        }
      } finally {
        answer.body.destroy()
      }
      return
    } catch (error) {
      options.signal?.throwIfAborted()
      tries += 1
      if (tries >= TRIES_IN_ONE_PLACE || !(error instanceof UpstreamError) || !isPassing(error)) throw error
    }
  }
}

function need(repository: RepositoryName | undefined, name: string): RepositoryName {
  if (repository === undefined) throw new Error(`${name} has no image without a repository`)
  return repository
}

function signalOf({ signal }: AskedWith): { readonly signal?: AbortSignal } {
  return signal === undefined ? {} : { signal }
}

async function unlessNotFound<T>(asking: Promise<T>): Promise<T | undefined> {
  try {
    return await asking
  } catch (error) {
    if (error instanceof UpstreamError && error.kind === 'notFound') return undefined
    throw error
  }
}
