// The error codes of the specification and the one way to make such an error. A RegistryError is a
// message to a client: it must never carry a path, a secret or a stack to the outside.

// distribution-spec 1.1 "Error Codes", plus the codes that docker/distribution adds. The message is
// distribution's: clients and people grep for it.
const TABLE = {
  BLOB_UNKNOWN: [404, 'blob unknown to registry'],
  BLOB_UPLOAD_INVALID: [404, 'blob upload invalid'],
  BLOB_UPLOAD_UNKNOWN: [404, 'blob upload unknown to registry'],
  DENIED: [403, 'requested access to the resource is denied'],
  DIGEST_INVALID: [400, 'provided digest did not match uploaded content'],
  MANIFEST_BLOB_UNKNOWN: [400, 'blob unknown to registry'],
  MANIFEST_INVALID: [400, 'manifest invalid'],
  MANIFEST_UNKNOWN: [404, 'manifest unknown'],
  NAME_INVALID: [400, 'invalid repository name'],
  NAME_UNKNOWN: [404, 'repository name not known to registry'],
  PAGINATION_NUMBER_INVALID: [400, 'invalid number of results requested'],
  RANGE_INVALID: [416, 'invalid content range'],
  SIZE_INVALID: [400, 'provided length did not match content length'],
  TAG_INVALID: [400, 'manifest tag did not match URI'],
  TOOMANYREQUESTS: [429, 'too many requests'],
  UNAUTHORIZED: [401, 'authentication required'],
  UNAVAILABLE: [503, 'service unavailable'],
  UNKNOWN: [500, 'unknown error'],
  UNSUPPORTED: [405, 'The operation is unsupported.'],
} as const satisfies Record<string, readonly [status: number, message: string]>

export type ErrorCode = keyof typeof TABLE

export interface ErrorOptions {
  readonly message?: string
  readonly detail?: unknown
  readonly status?: number
  readonly headers?: Readonly<Record<string, string>>
  readonly cause?: unknown
}

/** An answer of the registry that is not a success; `status` is the HTTP status. */
export class RegistryError extends Error {
  override readonly name = 'RegistryError'
  readonly code: ErrorCode
  readonly status: number
  readonly detail: unknown
  readonly headers: Readonly<Record<string, string>>
  /** Further errors of the same answer (one MANIFEST_BLOB_UNKNOWN per missing blob). */
  readonly others: readonly RegistryError[]

  constructor(code: ErrorCode, options: ErrorOptions = {}, others: readonly RegistryError[] = []) {
    const [status, message] = TABLE[code]
    super(options.message ?? message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.status = options.status ?? status
    this.detail = options.detail
    this.headers = options.headers ?? {}
    this.others = others
  }
}

/** Makes the error for `code` with the table's status and message unless `options` says otherwise. */
export function registryError(code: ErrorCode, options: ErrorOptions = {}): RegistryError {
  return new RegistryError(code, options)
}

/**
 * The body of an error answer (distribution-spec "Error Codes"): `{"errors":[{code,message,detail}]}`
 * and a newline, as distribution writes it.
 */
export function errorBody(error: RegistryError): string {
  const errors = [error, ...error.others].map(({ code, message, detail }) =>
    detail === undefined ? { code, message } : { code, message, detail },
  )
  return `${JSON.stringify({ errors })}\n`
}
