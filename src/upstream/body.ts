// The body of a blob as a stream that keeps what the answer's headers and the descriptor promised: never a byte more
// than promised, an error when there are fewer, an error when they drip. It does not hash: who resumes does.
import { Pieces } from './pieces.ts'
import type { Throttle } from './throttle.ts'
import type { Incoming } from './transport.ts'
import { describeEnd } from './transport.ts'
import { UpstreamError } from './upstream-error.ts'

/** What part of a blob an answer holds. */
export interface Span {
  readonly status: 200 | 206
  /** Of the first byte. */
  readonly from: number
  /** Bytes in this answer; undefined when it does not say. */
  readonly length: number | undefined
  /** Bytes of the whole blob; undefined when nobody says. */
  readonly total: number | undefined
}

export interface SpanWish {
  readonly offset: number
  /** From the descriptor. */
  readonly size?: number
  /** No blob may be larger. */
  readonly largest: number
}

/** Reads Content-Length and Content-Range (RFC 9110 section 14.4). Throws 'invalid' unless they fit what was asked. */
export function readSpan(incoming: Incoming, { offset, size, largest }: SpanWish): Span {
  const { host } = incoming.url
  const length = readLength(incoming)
  const wrong = (what: string): UpstreamError => new UpstreamError('invalid', `${host} ${what}`)
  let span: Span
  if (incoming.status === 206) {
    const match = /^bytes (\d{1,15})-(\d{1,15})\/(\d{1,15}|\*)$/.exec(incoming.header('content-range') ?? '')
    if (match === null || offset === 0) throw wrong('sends a part that was not asked for')
    const [first, last] = [Number(match[1]), Number(match[2])]
    const total = match[3] === '*' ? undefined : Number(match[3])
    if (first !== offset || last < first || (total !== undefined && last >= total))
      throw wrong('sends another part than was asked for')
    if (length !== undefined && length !== last - first + 1) throw wrong('contradicts itself about the size of a part')
    span = { status: 206, from: first, length: last - first + 1, total: total ?? size }
  } else {
    span = { status: 200, from: 0, length: length ?? size, total: length ?? size }
  }
  if (size !== undefined && span.total !== size) throw wrong(`has ${span.total} bytes for a blob of ${size}`)
  if ((span.total ?? 0) > largest) throw wrong(`has a blob of ${span.total} bytes, and ${largest} is the most`)
  return span
}

export interface BodyOptions {
  readonly span: Span
  readonly largest: number
  readonly throttle: Throttle
  /** Milliseconds that only run forward. */
  readonly elapsed: () => number
  /** Least bytes in each minute of waiting for the upstream. */
  readonly slowest: number
  readonly signal?: AbortSignal
  /** Called once when the stream is closed, however it ends. */
  readonly release: () => void
}

/** Read once, to its end or until it is destroyed. */
export interface BlobBody extends AsyncIterable<Buffer> {
  /** Says, at most once for each, that a piece is no longer needed; its bytes change after that. */
  free(piece: Buffer): void
  destroy(): void
}

const MINUTE = 60_000

/** The bytes of the answer. Destroying it ends the request. */
export function streamBody(incoming: Incoming, options: BodyOptions): BlobBody {
  let isOpen = true
  const destroy = (): void => {
    if (!isOpen) return
    isOpen = false
    incoming.body.destroy()
    options.release()
  }
  const pieces = readPieces(incoming, options, destroy)
  // Not a Readable: each layer of streams costs a few turns for every 64 KiB.
  return { [Symbol.asyncIterator]: () => pieces, free: incoming.free, destroy }
}

async function* readPieces(
  incoming: Incoming,
  { span, largest, throttle, signal, elapsed, slowest }: BodyOptions,
  close: () => void,
): AsyncGenerator<Buffer, void, void> {
  const { host } = incoming.url
  const most = span.length ?? largest - span.from
  const pieces = new Pieces(incoming.body)
  let received = 0
  // Only time in which we wait for the upstream counts: a slow reader or our own limit is not its fault.
  let [waited, since] = [0, 0]
  try {
    for (;;) {
      const start = elapsed()
      const piece = await pieces.next().catch((error: unknown) => {
        throw describeEnd(error, incoming.url, signal)
      })
      if (piece === undefined) break
      waited += elapsed() - start
      received += piece.length
      if (received > most) throw new UpstreamError('invalid', `${host} sends more than the ${most} bytes of the blob`)
      const pause = throttle.spend(piece.length, signal)
      if (pause !== undefined) await pause
      yield piece
      if (waited < MINUTE) continue
      const pace = received - since
      if (pace < slowest) throw new UpstreamError('unreachable', `${host} sent only ${pace} bytes in a minute`)
      waited = 0
      since = received
    }
    if (span.length !== undefined && received < span.length)
      throw new UpstreamError('unreachable', `${host} broke off after ${received} of ${span.length} bytes`)
  } finally {
    close()
  }
}

function readLength(incoming: Incoming): number | undefined {
  const text = incoming.header('content-length')
  return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : undefined
}
