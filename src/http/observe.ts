// Watches requests go by, for the metrics and the access log. The log gets the path and the status, never a
// header: logins travel there.
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Metrics } from './metrics.ts'
import type { Sizes } from './request-tally.ts'
import { HANDLER_NAMES } from './v2.ts'

/** A line of the access log. */
export interface AccessEntry {
  readonly method: string
  readonly path: string | undefined
  readonly status: number
  readonly ms: number
  readonly remote: string | undefined
  readonly user?: string
  readonly aborted?: true
  readonly agent?: string
}

export interface Observer {
  started(): void
  ended(request: FastifyRequest, reply: FastifyReply, remote: string | undefined): void
}

/** Makes the observer; `log` takes the entries of the access log, unless it is switched off. */
export function createObserver({ requests }: Metrics, log: ((entry: AccessEntry) => void) | undefined): Observer {
  return {
    started: () => requests.started(),
    ended(request, reply, remote) {
      const ms = reply.elapsedTime
      const status = reply.raw.statusCode
      const { tarn, method } = request
      const handler = tarn === null ? 'other' : HANDLER_NAMES[tarn.target.kind]
      requests.answered(handler, method, status, ms / 1000, sizesOf(request, reply))
      if (log === undefined) return
      const { 'user-agent': agent } = request.headers
      log({
        method,
        path: request.raw.url,
        status,
        ms: Math.round(ms),
        remote,
        ...(tarn?.user === undefined ? {} : { user: tarn.user }),
        ...(reply.raw.writableFinished ? {} : { aborted: true }),
        ...(agent === undefined ? {} : { agent }),
      })
    },
  }
}

// As announced: counting the bytes themselves would cost every chunk a little.
function sizesOf({ headers, method }: FastifyRequest, reply: FastifyReply): Sizes {
  const hasBody = method !== 'HEAD' && reply.raw.statusCode !== 304
  return {
    received: headers['transfer-encoding'] === undefined ? Number(headers['content-length'] ?? 0) : undefined,
    sent: reply.raw.writableFinished ? Number((hasBody && reply.getHeader('content-length')) || 0) : undefined,
  }
}
