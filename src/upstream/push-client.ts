// A remote registry that is pushed to: blobs, manifests, tags, and what is to be gone. One address; a local socket is one
// too. It keeps nothing, and it says of nothing that it is there before the registry did.
import type { Digest } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/name.ts'
import type { Reference, Tag } from '../oci/reference.ts'
import type { AskOptions } from './client.ts'
import type { Endpoint, EndpointState } from './endpoint.ts'
import type { AddressOptions } from './open-endpoint.ts'
import { openEndpoint, usualUrl } from './open-endpoint.ts'
import type { Patience } from './patience.ts'
import { insist } from './patience.ts'
import type { PushBlobAsk } from './push-blob.ts'
import { pushBlob } from './push-blob.ts'
import { removeTagByDigest } from './push-untag.ts'
import { checkDigest } from './push-upload.ts'
import { headBlob } from './read-blob.ts'
import { hasReferrersApi } from './read-lists.ts'
import type { UpstreamManifest } from './read-manifest.ts'
import { getManifest, headManifest } from './read-manifest.ts'
import type { Throttle } from './throttle.ts'
import { makeThrottle } from './throttle.ts'
import type { Transport } from './transport.ts'
import { TIMEOUTS } from './transport.ts'
import type { Turns } from './turns.ts'
import { makeTurns } from './turns.ts'
import { UpstreamError } from './upstream-error.ts'

export interface PushOptions extends AddressOptions {
  /** `https://host`, or the local socket, unless given. */
  readonly url?: string
  /** Blobs at a time, and as many small requests beside them. */
  readonly concurrency?: number
  /** Bytes per second of all blobs together, 0 = unlimited. */
  readonly bandwidth?: number
  /** Milliseconds that only run forward. */
  readonly elapsed?: () => number
  readonly patience?: Patience
}

export interface PushManifestAsk extends AskOptions {
  readonly repository: RepositoryName
  /** Where it goes: its digest, or a tag. */
  readonly reference: Reference
  /** Of the bytes. */
  readonly digest: Digest
  readonly bytes: Buffer
  readonly mediaType: string
}

const LARGEST_MANIFEST = 16_777_216
const LARGEST_BLOB = 1_099_511_627_776
// A registry looks for everything that a manifest names before it takes it.
const STORING_MS = 300_000

export class PushClient {
  readonly host: string
  readonly #endpoint: Endpoint
  readonly #transport: Transport
  readonly #turns: { readonly blobs: Turns; readonly manifests: Turns }
  readonly #throttle: Throttle
  readonly #patience: Patience
  readonly #whole: number
  readonly #clock: () => number
  #keepsReferrers = false

  /** Throws an UpstreamError 'refused' for a url that is none, and for plain http without `insecure`. */
  constructor(options: PushOptions) {
    const { host, concurrency = 8, bandwidth = 0, elapsed, patience = {}, timeouts } = options
    this.host = host
    const { endpoint, transport } = openEndpoint(options.url ?? usualUrl(options), options)
    this.#endpoint = endpoint
    this.#transport = transport
    this.#turns = { blobs: makeTurns(concurrency), manifests: makeTurns(concurrency) }
    this.#throttle = makeThrottle({ bytesPerSecond: bandwidth, clock: elapsed ?? (() => performance.now()) })
    this.#patience = patience
    this.#clock = options.clock
    this.#whole = timeouts?.whole ?? TIMEOUTS.whole
  }

  get state(): EndpointState {
    return this.#endpoint.state
  }

  /** Whether the registry has a blob in this repository. Throws an UpstreamError, as all of these do. */
  async hasBlob(repository: RepositoryName, digest: Digest, options: AskOptions = {}): Promise<boolean> {
    return this.#small(options, async (signal) => {
      const ask = { repository, digest, signal, actions: 'pull,push' } as const
      return whether(headBlob(this.#endpoint, ask, LARGEST_BLOB))
    })
  }

  /** Whether the registry has this manifest in this repository, under its digest or under a tag. */
  async hasManifest(
    repository: RepositoryName,
    digest: Digest,
    options: AskOptions & { readonly tag?: Tag } = {},
  ): Promise<boolean> {
    return this.#small(options, async (signal) => {
      const { tag } = options
      const reference: Reference = tag === undefined ? { kind: 'digest', digest } : { kind: 'tag', tag }
      const ask = { repository, reference, largest: 0, actions: 'pull,push', signal } as const
      return (await absent(headManifest(this.#endpoint, ask)))?.digest === digest
    })
  }

  /**
   * Makes the registry have a blob: it is there, it is linked from another repository, or its bytes are sent. What broke
   * is gone on with where the registry kept the beginning. Throws an UpstreamError, or what the source threw.
   */
  async pushBlob(
    ask: PushBlobAsk & {
      /** The caller has just asked and it was not there. */
      readonly isAbsent?: boolean
    },
  ): Promise<'present' | 'mounted' | 'pushed'> {
    const { repository, digest, signal, isAbsent = false } = ask
    if (!isAbsent && (await this.hasBlob(repository, digest, signal && { signal }))) return 'present'
    const release = await this.#turns.blobs.take(signal)
    try {
      return await pushBlob(this.#endpoint, ask, { patience: this.#patience, throttle: this.#throttle })
    } finally {
      release()
    }
  }

  /**
   * Stores a manifest as it is, under its digest or under a tag. `subject` says whether the registry itself keeps what
   * refers to what (distribution-spec "Pushing Manifests with Subject").
   */
  async pushManifest(ask: PushManifestAsk): Promise<{ readonly subject: boolean }> {
    const { repository, reference, digest, bytes, mediaType } = ask
    return this.#small(ask, async (signal) => {
      const incoming = await this.#endpoint.ask({
        method: 'PUT',
        lane: 'manifests',
        repository,
        path: `/manifests/${reference.kind === 'tag' ? reference.tag : reference.digest}`,
        actions: 'pull,push',
        headers: { 'content-type': mediaType, 'content-length': String(bytes.length) },
        body: () => bytes,
        patience: STORING_MS,
        expect: [200, 201, 202, 204],
        signal,
      })
      incoming.discard()
      checkDigest(incoming, digest)
      const subject = incoming.header('oci-subject') !== undefined
      this.#keepsReferrers ||= subject
      return { subject }
    })
  }

  /** Whether the registry itself lists what refers to what; asked until it says so once. */
  async keepsReferrers(repository: RepositoryName, digest: Digest, options: AskOptions = {}): Promise<boolean> {
    if (this.#keepsReferrers) return true
    const ask = { repository, digest, largest: LARGEST_MANIFEST }
    const keeps = await this.#small(options, (signal) => hasReferrersApi(this.#endpoint, { ...ask, signal }))
    this.#keepsReferrers ||= keeps
    return keeps
  }

  /** What a tag leads to now; undefined when it is not there. */
  async getTagged(
    repository: RepositoryName,
    tag: Tag,
    options: AskOptions = {},
  ): Promise<UpstreamManifest | undefined> {
    const ask = { repository, reference: { kind: 'tag', tag }, largest: LARGEST_MANIFEST } as const
    return this.#small(options, (signal) => absent(getManifest(this.#endpoint, { ...ask, signal })))
  }

  /**
   * Takes a tag, or a manifest with all its tags, away; false when it was not there. What a tag led to stays, also in a
   * registry that deletes by digest only.
   */
  async remove(repository: RepositoryName, reference: Reference, options: AskOptions = {}): Promise<boolean> {
    try {
      return await this.#small(options, (signal) => this.#delete(repository, reference, signal))
    } catch (error) {
      if (!(error instanceof UpstreamError)) throw error
      // So registry:2 says that it takes a tag for a digest that is none; where nothing may be deleted it says that.
      if (reference.kind === 'tag' && error.code === 'DIGEST_INVALID')
        return this.#removeByDigest(repository, reference.tag, options)
      throw isForbidden(error) ? noDeletion(this.host, error) : error
    }
  }

  async #removeByDigest(repository: RepositoryName, tag: Tag, options: AskOptions): Promise<boolean> {
    const before = await this.getTagged(repository, tag, options)
    if (before === undefined) return false
    await removeTagByDigest(repository, tag, before, {
      ...options,
      now: this.#clock(),
      pushBlob: (ask) => this.pushBlob(ask),
      pushManifest: (ask) => this.pushManifest(ask),
      deleteManifest: (digest) => this.remove(repository, { kind: 'digest', digest }, options),
    })
    return true
  }

  #delete(repository: RepositoryName, reference: Reference, signal: AbortSignal): Promise<boolean> {
    const path = `/manifests/${reference.kind === 'tag' ? reference.tag : reference.digest}`
    const ask = { method: 'DELETE', lane: 'manifests', repository, path, actions: 'delete,pull,push', signal } as const
    return whether(this.#endpoint.ask({ ...ask, expect: [200, 202, 204] }).then((incoming) => incoming.discard()))
  }

  /** Ends all connections. */
  async close(): Promise<void> {
    await this.#transport.close()
  }

  /** A small act: one turn, an end to each try, and more than one try. */
  async #small<T>({ signal }: AskOptions, act: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const release = await this.#turns.manifests.take(signal)
    try {
      return await insist(
        () => {
          const deadline = AbortSignal.timeout(Math.max(this.#whole, STORING_MS))
          return act(signal === undefined ? deadline : AbortSignal.any([signal, deadline]))
        },
        this.#patience,
        signal,
      )
    } finally {
      release()
    }
  }
}

function noDeletion(host: string, cause: UpstreamError): UpstreamError {
  const { status, code } = cause
  return new UpstreamError('failed', `${host} lets nothing be deleted`, {
    hint: 'deletion is switched off there: storage.delete.enabled of registry:2 and Tarn',
    cause,
    ...(status !== undefined && { status }),
    ...(code !== undefined && { code }),
  })
}

function isForbidden({ status, code }: UpstreamError): boolean {
  return status === 405 || code === 'UNSUPPORTED'
}

async function whether(act: Promise<unknown>): Promise<boolean> {
  return (await absent(act.then(() => true))) === true
}

/** Undefined for what is not there. */
async function absent<T>(act: Promise<T>): Promise<T | undefined> {
  return act.catch((error: unknown) => {
    if (error instanceof UpstreamError && error.kind === 'notFound') return undefined
    throw error
  })
}
