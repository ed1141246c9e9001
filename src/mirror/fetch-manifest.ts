// Manifests from upstreams: asked for once however many wait, and not again for a while when there is no such thing.
import type { Digest } from '../oci/digest.ts'
import { MANIFEST_TYPES, SCHEMA1_PLAIN, SCHEMA1_SIGNED } from '../oci/media-type.ts'
import { parseManifest, readManifest } from '../oci/manifest.ts'
import type { Reference } from '../oci/reference.ts'
import type { StoredManifest } from '../storage/manifests.ts'
import type { UpstreamManifest } from '../upstream/read-manifest.ts'
import { UpstreamError } from '../upstream/upstream-error.ts'
import { Absences } from './absences.ts'
import type { Located } from './route.ts'
import type { Tally } from './tally.ts'

const MOST_BYTES = 4 * 1024 * 1024

export interface ManifestFetcherParts {
  readonly tally: Tally
  /** Milliseconds that only run forward. */
  readonly elapsed: () => number
  readonly signal: () => AbortSignal
}

export class ManifestFetcher {
  readonly #parts: ManifestFetcherParts
  readonly #absences: Absences
  readonly #flights = new Map<string, Promise<StoredManifest>>()

  constructor(parts: ManifestFetcherParts) {
    this.#parts = parts
    this.#absences = new Absences(parts.elapsed)
  }

  /** The manifest as the upstream has it now. Throws an UpstreamError, 'invalid' for what no push would be taken of. */
  get(located: Located, reference: Reference): Promise<StoredManifest> {
    const key = keyOf(located, reference)
    const running = this.#flights.get(key)
    if (running !== undefined) return running
    const flight = this.#fetch(located, reference, key).finally(() => this.#flights.delete(key))
    this.#flights.set(key, flight)
    return flight
  }

  /** What the upstream says of a tag without sending it; undefined where it does not tell the digest. */
  async head(located: Located, reference: Reference): Promise<Digest | undefined> {
    const options = { signal: this.#parts.signal() }
    return (await located.upstream.client.headManifest(located.repository, reference, options)).digest
  }

  async #fetch(located: Located, reference: Reference, key: string): Promise<StoredManifest> {
    this.#absences.check(key)
    try {
      const manifest = await located.upstream.client.getManifest(located.repository, reference, {
        signal: this.#parts.signal(),
      })
      this.#parts.tally.manifests.fetched += manifest.bytes.length
      return understand(manifest, located.upstream.config.host)
    } catch (error) {
      this.#absences.note(key, error)
      throw error
    }
  }
}

function keyOf({ name }: Located, reference: Reference): string {
  return reference.kind === 'tag' ? `${name}:${reference.tag}` : `${name}@${reference.digest}`
}

// As strictly as a push: what two readers could take differently is not kept. Schema 1 is only ever read.
function understand({ bytes, digest, mediaType }: UpstreamManifest, host: string): StoredManifest {
  try {
    if (bytes.length > MOST_BYTES) throw new Error('it is too large')
    if (mediaType === SCHEMA1_SIGNED || mediaType === SCHEMA1_PLAIN)
      return { digest, bytes, manifest: readManifest(bytes) }
    const declared = mediaType !== undefined && MANIFEST_TYPES.includes(mediaType) ? mediaType : undefined
    return { digest, bytes, manifest: parse(bytes, declared) }
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : 'unreadable'
    throw new UpstreamError('invalid', `${host} gives a manifest that cannot be taken: ${why}`, { cause })
  }
}

// A manifest of OCI without mediaType behind a Content-Type that says nothing tells what it is by its shape.
function parse(bytes: Uint8Array, declared: string | undefined) {
  return parseManifest(bytes, declared ?? readManifest(bytes).mediaType)
}
