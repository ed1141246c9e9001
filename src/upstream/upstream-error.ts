// What went wrong with a remote registry, in kinds that callers can act on. Messages name hosts, repositories and
// digests, never a credential, a token, a path of a signed address or a text that the remote chose.

/**
 * - unreachable: no connection, no answer in time, or a connection that broke;
 * - unauthorized: 401 or 403; notFound: 404 or 410; limited: 429;
 * - failed: any other answer that is no success;
 * - refused: our own rules forbid what the upstream asks for;
 * - invalid: an answer that cannot be true or cannot be read.
 */
export type UpstreamErrorKind =
  | 'unreachable'
  | 'unauthorized'
  | 'notFound'
  | 'limited'
  | 'failed'
  | 'refused'
  | 'invalid'

export interface UpstreamErrorOptions {
  readonly hint?: string
  /** The HTTP status, where there was an answer. */
  readonly status?: number
  /** The error's code in the specification (distribution-spec "Error Codes"), where the answer names one. */
  readonly code?: string
  /** Milliseconds to wait before the next try, as the upstream or the breaker asks. */
  readonly retryAfter?: number
  readonly cause?: unknown
}

export class UpstreamError extends Error {
  override readonly name = 'UpstreamError'
  readonly kind: UpstreamErrorKind
  readonly hint: string | undefined
  readonly status: number | undefined
  readonly code: string | undefined
  readonly retryAfter: number | undefined

  constructor(kind: UpstreamErrorKind, message: string, options: UpstreamErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.kind = kind
    this.hint = options.hint
    this.status = options.status
    this.code = options.code
    this.retryAfter = options.retryAfter
  }
}

// What is most worth knowing of several failures comes first. "Not found" comes last: it is only true when every
// address says so, since an address that did not answer may have had it (fail closed).
const WORST_FIRST: readonly UpstreamErrorKind[] = [
  'limited',
  'failed',
  'unreachable',
  'refused',
  'invalid',
  'unauthorized',
  'notFound',
]

/** Of the failures of several addresses of one upstream, the one to report. Throws for none. */
export function chooseFailure(failures: readonly UpstreamError[]): UpstreamError {
  const [first] = failures.toSorted((a, b) => WORST_FIRST.indexOf(a.kind) - WORST_FIRST.indexOf(b.kind))
  if (first === undefined) throw new Error('an upstream without an address was asked')
  return first
}

// Codes of Node and undici, as far as a person learns something from them.
const BROKEN = /^(?:E[A-Z0-9_]+|UND_ERR_[A-Z_]+|[A-Z0-9_]*CERT[A-Z0-9_]*|UNABLE_TO_[A-Z_]+|HPE_[A-Z_]+)$/
const UNREADABLE = /^(?:HPE_|UND_ERR_HEADERS_OVERFLOW|UND_ERR_RES_CONTENT_LENGTH_MISMATCH|UND_ERR_RES_EXCEEDED)/

const PLAIN_HTTP = /^ERR_SSL_(?:WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG)$/
const HANDSHAKE = /^(?:ERR_SSL_|ERR_TLS_|EPROTO$)|CERT|UNABLE_TO_/

/** Whether it is the TLS of the connection that cannot be: another try comes to the same end. */
export function failsByTls({ kind, cause }: UpstreamError): boolean {
  return kind === 'unreachable' && HANDSHAKE.test(findCode(cause) ?? '')
}

/** Makes an UpstreamError of what a connection to `host` threw; one of ours inside comes out as it is. */
export function describeBreak(cause: unknown, host: string): UpstreamError {
  const own = findOwn(cause)
  if (own !== undefined) return own
  const code = findCode(cause)
  const shown = code !== undefined && BROKEN.test(code) ? code : 'the connection failed'
  if (code !== undefined && UNREADABLE.test(code))
    return new UpstreamError('invalid', `${host} does not speak proper HTTP: ${shown}`, { cause })
  const hint = hintFor(code)
  return new UpstreamError('unreachable', `cannot reach ${host}: ${shown}`, {
    cause,
    ...(hint !== undefined && { hint }),
  })
}

function hintFor(code = ''): string | undefined {
  if (/CERT|UNABLE_TO_/.test(code)) return 'give the certificate of its authority as "ca" of this upstream'
  if (PLAIN_HTTP.test(code)) return 'it seems to speak plain HTTP: allow that with insecure: true and url: ["http://…"]'
  return undefined
}

function findOwn(cause: unknown): UpstreamError | undefined {
  if (cause instanceof UpstreamError) return cause
  if (cause instanceof AggregateError) return cause.errors.find((error) => error instanceof UpstreamError)
  return cause instanceof Error && cause.cause !== undefined ? findOwn(cause.cause) : undefined
}

function findCode(cause: unknown): string | undefined {
  if (!(cause instanceof Error)) return undefined
  const { code } = cause as NodeJS.ErrnoException
  return typeof code === 'string' ? code : findCode(cause.cause)
}
