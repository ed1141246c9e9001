// Blobs of an upstream: whether they are there, and their bytes from an offset on. Whoever resumes looks at `from`:
// an upstream may answer with the whole blob. The urls of a descriptor are never used (R25).
import type { Digest } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/name.ts'
import type { BlobBody, BodyOptions, Span } from './body.ts'
import { readSpan, streamBody } from './body.ts'
import type { Ask, Endpoint } from './endpoint.ts'

export interface UpstreamBlob extends Span {
  /** Not hashed. Must be read to its end or destroyed: it holds one of the upstream's turns. */
  readonly body: BlobBody
  /** The configured url that it comes from. */
  readonly source: string
}

export interface BlobAsk {
  readonly repository: RepositoryName
  readonly digest: Digest
  /** First byte that is wanted; 0 unless given. */
  readonly offset?: number
  /** From the descriptor: an answer of another size is refused. */
  readonly size?: number
  readonly signal?: AbortSignal
}

export type BlobLimits = Pick<BodyOptions, 'largest' | 'throttle' | 'elapsed' | 'slowest' | 'release'>

/** Asks for a blob and gives it as a stream. Throws an UpstreamError; the stream ends with one. */
export async function getBlob(endpoint: Endpoint, ask: BlobAsk, limits: BlobLimits): Promise<UpstreamBlob> {
  const { repository, digest, offset = 0, size, signal } = ask
  const incoming = await endpoint.ask({
    method: 'GET',
    lane: 'blobs',
    repository,
    path: `/blobs/${digest}`,
    headers: { accept: '*/*', ...(offset > 0 && { range: `bytes=${offset}-` }) },
    ...(signal && { signal }),
  })
  try {
    const span = readSpan(incoming, { offset, largest: limits.largest, ...(size !== undefined && { size }) })
    const body = streamBody(incoming, { ...limits, span, ...(signal && { signal }) })
    return { ...span, body, source: endpoint.url }
  } catch (error) {
    incoming.body.destroy()
    throw error
  }
}

/** Whether the upstream has the blob; its size where it says. Throws an UpstreamError, 'notFound' among them. */
export async function headBlob(
  endpoint: Endpoint,
  { repository, digest, size, signal, actions }: Omit<BlobAsk, 'offset'> & Pick<Ask, 'actions'>,
  largest: number,
): Promise<{ size: number | undefined; source: string }> {
  const incoming = await endpoint.ask({
    method: 'HEAD',
    lane: 'blobs',
    repository,
    path: `/blobs/${digest}`,
    headers: { accept: '*/*' },
    ...(actions && { actions }),
    ...(signal && { signal }),
  })
  incoming.discard()
  const { total } = readSpan(incoming, { offset: 0, largest, ...(size !== undefined && { size }) })
  return { size: total, source: endpoint.url }
}
