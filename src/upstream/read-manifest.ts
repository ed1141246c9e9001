// Manifests of an upstream: read whole, hashed, and compared with all that was said about them. What comes out has
// the digest that it is said to have.
import type { Digest } from '../oci/digest.ts'
import { algorithmOf, digestOf, isDigest } from '../oci/digest.ts'
import { MANIFEST_TYPES, parseMediaType, SCHEMA1_PLAIN, SCHEMA1_SIGNED } from '../oci/media-type.ts'
import type { RepositoryName } from '../oci/name.ts'
import type { Reference } from '../oci/reference.ts'
import type { Ask, Endpoint } from './endpoint.ts'
import type { Incoming } from './transport.ts'
import { readSmall } from './transport.ts'
import { UpstreamError } from './upstream-error.ts'

export interface UpstreamManifest {
  /** Exactly as they came. */
  readonly bytes: Buffer
  /** Of the bytes: the one that was asked for, or sha256. */
  readonly digest: Digest
  /** The media type of the Content-Type, lower case, without parameters. */
  readonly mediaType: string | undefined
  /** The configured url that it came from. */
  readonly source: string
}

export interface UpstreamManifestHead {
  /** What the upstream says; undefined when it does not, and then only a GET tells. */
  readonly digest: Digest | undefined
  readonly mediaType: string | undefined
  readonly size: number | undefined
  readonly source: string
}

export interface ManifestAsk {
  readonly repository: RepositoryName
  readonly reference: Reference
  readonly signal?: AbortSignal
  /** Bytes. */
  readonly largest: number
}

const ACCEPT = [...MANIFEST_TYPES, `${SCHEMA1_SIGNED};q=0.5`, `${SCHEMA1_PLAIN};q=0.4`, '*/*;q=0.1'].join(', ')

/** HEAD of a manifest. Throws an UpstreamError; 'invalid' when another digest is answered than was asked for. */
export async function headManifest(
  endpoint: Endpoint,
  ask: ManifestAsk & Pick<Ask, 'actions'>,
): Promise<UpstreamManifestHead> {
  const incoming = await endpoint.ask({ method: 'HEAD', ...frame(ask) })
  incoming.discard()
  const digest = readClaim(incoming)
  const wanted = ask.reference.kind === 'digest' ? ask.reference.digest : undefined
  // Digests of two algorithms cannot be compared: what was asked for stands.
  if (wanted !== undefined && digest !== undefined && digest !== wanted && algorithmOf(digest) === algorithmOf(wanted))
    throw new UpstreamError('invalid', `${incoming.url.host} answers with ${digest} when asked for ${wanted}`)
  const length = incoming.header('content-length')
  return {
    digest: wanted ?? digest,
    mediaType: parseMediaType(incoming.header('content-type')),
    size: length !== undefined && /^\d{1,15}$/.test(length) ? Number(length) : undefined,
    source: endpoint.url,
  }
}

/** GET of a manifest. Throws an UpstreamError; 'invalid' when the bytes are not what they are said to be. */
export async function getManifest(endpoint: Endpoint, ask: ManifestAsk): Promise<UpstreamManifest> {
  const incoming = await endpoint.ask({ method: 'GET', ...frame(ask) })
  const bytes = await readSmall(incoming, ask.largest, ask.signal)
  const claimed = readClaim(incoming)
  const wanted = ask.reference.kind === 'digest' ? ask.reference.digest : undefined
  for (const said of [wanted, claimed]) {
    if (said !== undefined && digestOf(bytes, algorithmOf(said)) !== said)
      throw new UpstreamError('invalid', `${incoming.url.host} gives a manifest that does not have the digest ${said}`)
  }
  if (incoming.status !== 200)
    throw new UpstreamError('invalid', `${incoming.url.host} gives a part of a manifest that nobody asked for`)
  return {
    bytes,
    digest: wanted ?? digestOf(bytes),
    mediaType: parseMediaType(incoming.header('content-type')),
    source: endpoint.url,
  }
}

function frame({ repository, reference, signal, actions }: ManifestAsk & Pick<Ask, 'actions'>) {
  return {
    lane: 'manifests' as const,
    repository,
    path: `/manifests/${reference.kind === 'tag' ? reference.tag : reference.digest}`,
    headers: { accept: ACCEPT },
    ...(actions && { actions }),
    ...(signal && { signal }),
  }
}

function readClaim(incoming: Incoming): Digest | undefined {
  const claimed = incoming.header('docker-content-digest')
  if (claimed === undefined || claimed === '') return undefined
  if (isDigest(claimed)) return claimed
  throw new UpstreamError('invalid', `${incoming.url.host} answers with a digest that is none`)
}
