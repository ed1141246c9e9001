// Turns whatever was thrown into the specification's JSON. Internal texts, paths and stacks stay in the log.
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import { RegistryError, errorBody, registryError } from '../oci/errors.ts'
import { isNoRoom, noRoom } from '../storage/room.ts'

const GONE = new Set(['ECONNRESET', 'EPIPE', 'ERR_STREAM_DESTROYED', 'ERR_STREAM_PREMATURE_CLOSE'])
const NO_WRITING = new Set(['EROFS', 'EACCES', 'EPERM'])
const BROKEN_DISK = new Set(['EIO'])
const NO_FILES = new Set(['EMFILE', 'ENFILE'])

/** The answer for an error of any origin. */
export function toRegistryError(error: unknown): RegistryError {
  if (error instanceof RegistryError) return error
  const { code = '', statusCode } = (error ?? {}) as Partial<FastifyError>
  if (isNoRoom(error)) return noRoom(error)
  if (NO_WRITING.has(code)) {
    return registryError('UNAVAILABLE', {
      message: 'the data directory cannot be used: see the log of the registry',
      cause: error,
    })
  }
  if (BROKEN_DISK.has(code)) {
    return registryError('UNAVAILABLE', {
      message: 'the disk of the registry reports errors: see its log',
      cause: error,
    })
  }
  if (NO_FILES.has(code)) {
    return registryError('UNAVAILABLE', {
      message: 'too many open files: try again',
      headers: { 'retry-after': '1' },
      cause: error,
    })
  }
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) return fromFastify(statusCode, error as Error)
  return registryError('UNKNOWN', { cause: error })
}

// Refusals of Fastify itself (a malformed Content-Type, a bad URL) keep their status.
function fromFastify(status: number, cause: Error): RegistryError {
  switch (status) {
    case 401:
      return registryError('UNAUTHORIZED', { cause })
    case 404:
      return registryError('NAME_UNKNOWN', { message: 'no such endpoint of the registry API', cause })
    case 413:
      return registryError('SIZE_INVALID', { status, message: 'the body is too large', cause })
    default:
      return registryError('UNSUPPORTED', { status, message: cause.message, cause })
  }
}

/** Whether the error says that the client is gone. */
export function isGone(error: unknown): boolean {
  return GONE.has((error as NodeJS.ErrnoException).code ?? '')
}

/** Answers with an error; what is our fault goes to the log with its cause. */
export function sendError(request: FastifyRequest, reply: FastifyReply, thrown: unknown): FastifyReply {
  const error = toRegistryError(thrown)
  // A client that went away is nobody's fault and gets no answer. A refusal that was decided upon is in the access log.
  const isRefusal = thrown instanceof RegistryError && thrown.status === 503 && thrown.cause === undefined
  if (error.status >= 500 && !isRefusal && !isGone(thrown))
    request.log.error({ err: error.cause ?? error }, 'request failed')
  return reply
    .code(error.status)
    .headers({ ...error.headers, 'content-type': 'application/json' })
    .send(Buffer.from(errorBody(error)))
}
