// What a client is told when the upstream could not give what it asked for.
import { registryError } from '../oci/errors.ts'
import type { RegistryError } from '../oci/errors.ts'
import { UpstreamError } from '../upstream/upstream-error.ts'

/** Seconds. */
const RETRY_AFTER = 30

/**
 * The answer for what an upstream did: `unknown` (a 404 of the right kind) where it says that there is no such thing or
 * cannot be reached, so that clients try their next mirror; 403, 429 and 503 where a person or time must help. What is
 * no UpstreamError goes up as it is.
 */
export function answerFor(error: unknown, unknown: RegistryError): unknown {
  if (!(error instanceof UpstreamError)) return error
  const { kind, message } = error
  switch (kind) {
    case 'notFound':
    case 'unreachable':
      return unknown
    case 'unauthorized':
      // Not 401: the client would take it for a question about its login here.
      return registryError('DENIED', { message })
    case 'limited':
      return registryError('TOOMANYREQUESTS', { message, headers: { 'retry-after': String(secondsOf(error)) } })
    default:
      return registryError('UNAVAILABLE', { message, headers: { 'retry-after': String(secondsOf(error)) } })
  }
}

function secondsOf({ retryAfter }: UpstreamError): number {
  return retryAfter === undefined ? RETRY_AFTER : Math.max(1, Math.ceil(retryAfter / 1000))
}
