// When images were made, for a sync that takes the newest by date: what the image says of itself in its annotations, else
// in its config. Asks for as little as it can: a HEAD tells the digest, and what a digest says never changes.
import type { Descriptor } from '../../oci/descriptor.ts'
import type { Digest } from '../../oci/digest.ts'
import { RegistryError } from '../../oci/errors.ts'
import type { Manifest } from '../../oci/manifest.ts'
import { readManifest } from '../../oci/manifest.ts'
import type { RepositoryName } from '../../oci/name.ts'
import type { Reference, Tag } from '../../oci/reference.ts'
import type { UpstreamClient } from '../../upstream/client.ts'
import { UpstreamError } from '../../upstream/upstream-error.ts'
import { readSmallBlob } from '../read-small-blob.ts'
import { inParallel } from './in-parallel.ts'

export interface DatesParts {
  /** A manifest or a config that lies here already; undefined when it does not. */
  readonly local: (digest: Digest) => Promise<Uint8Array | undefined>
}

type Client = Pick<UpstreamClient, 'headManifest' | 'getManifest' | 'getBlob'>

interface Place {
  readonly client: Client
  /** As the upstream spells it. */
  readonly repository: RepositoryName
  readonly signal: AbortSignal
}

const ANNOTATIONS = ['org.opencontainers.image.created', 'org.label-schema.build-date']
// Bytes. Configs list every layer and every step of a build.
const LARGEST_CONFIG = 8 * 1024 * 1024
// An index of indexes is rare, and deeper ones are nobody's honest work.
const DEEPEST = 3
const MOST_KEPT = 20_000
// Clients may pull from the same upstream meanwhile.
const AT_A_TIME = 6

/** Keeps what it has read, so that one who has to wait in the middle goes on from there. */
export class Dates {
  readonly #parts: DatesParts
  readonly #kept = new Map<Digest, number | undefined>()

  constructor(parts: DatesParts) {
    this.#parts = parts
  }

  /**
   * Milliseconds since 1970 for each tag whose image says when it was made. Throws an UpstreamError when the upstream does
   * not answer: nobody's age may be guessed from that.
   */
  async of(place: Place, tags: readonly Tag[]): Promise<ReadonlyMap<Tag, number>> {
    const dates = new Map<Tag, number>()
    const read = async (tag: Tag): Promise<void> => {
      const date = await unlessUntrue(this.#ofReference(place, { kind: 'tag', tag }))
      if (date !== undefined) dates.set(tag, date)
    }
    // What fails is thrown when all who got an answer have left it here.
    await inParallel(tags, AT_A_TIME, read)
    return dates
  }

  async #ofReference(place: Place, reference: Reference, depth = 0): Promise<number | undefined> {
    const { client, repository, signal } = place
    const { digest } =
      reference.kind === 'digest' ? reference : await client.headManifest(repository, reference, { signal })
    if (digest !== undefined && this.#kept.has(digest)) return this.#kept.get(digest)
    const here = digest === undefined ? undefined : await this.#parts.local(digest)
    const found = here ?? (await client.getManifest(repository, reference, { signal })).bytes
    const date = await this.#ofManifest(place, readManifest(found), depth)
    if (digest !== undefined) this.#keep(digest, date)
    return date
  }

  async #ofManifest(place: Place, manifest: Manifest, depth: number): Promise<number | undefined> {
    const said = readAnnotated(manifest.annotations)
    if (said !== undefined) return said
    if (manifest.kind === 'index') {
      // The images of an index are made together; attestations are no images.
      const children = manifest.manifests.filter(({ platform }) => platform?.os !== 'unknown')
      const [child] = children
      if (child === undefined || depth === DEEPEST) return undefined
      return this.#ofReference(place, { kind: 'digest', digest: child.digest }, depth + 1)
    }
    return manifest.config && this.#ofConfig(place, manifest.config)
  }

  async #ofConfig(place: Place, config: Descriptor): Promise<number | undefined> {
    if (config.size > LARGEST_CONFIG) return undefined
    const bytes = (await this.#parts.local(config.digest)) ?? (await readSmallBlob(place, config))
    try {
      const { created } = (JSON.parse(Buffer.from(bytes).toString('utf8')) ?? {}) as { created?: unknown }
      return readDate(created)
    } catch {
      // A config of another kind: a chart's, an artifact's.
      return undefined
    }
  }

  #keep(digest: Digest, date: number | undefined): void {
    const [oldest] = this.#kept.keys()
    if (this.#kept.size >= MOST_KEPT && oldest !== undefined) this.#kept.delete(oldest)
    this.#kept.set(digest, date)
  }
}

function readAnnotated(annotations: Readonly<Record<string, string>> | undefined): number | undefined {
  for (const name of ANNOTATIONS) {
    const date = readDate(annotations?.[name])
    if (date !== undefined) return date
  }
  return undefined
}

/** RFC 3339, as image-spec wants it; anything else is no date. */
function readDate(text: unknown): number | undefined {
  if (typeof text !== 'string' || !/^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d/.test(text) || text.length > 64)
    return undefined
  const date = Date.parse(text)
  return Number.isNaN(date) ? undefined : date
}

/** An image that is not there or cannot be true has no date; no answer is another thing. */
async function unlessUntrue<T>(reading: Promise<T>): Promise<T | undefined> {
  try {
    return await reading
  } catch (error) {
    const isAnswer = error instanceof UpstreamError && ['notFound', 'invalid', 'refused'].includes(error.kind)
    // A manifest that cannot be read is the upstream's too.
    if (isAnswer || error instanceof RegistryError) return undefined
    throw error
  }
}
