// Watches requests go by, for the metrics and the access log. The log gets the path and the status, never a
// header: logins travel there.
import type { FastifyBaseLogger, FastifyReply, FastifyRequest } from 'fastify'
import type { Metrics } from './metrics.ts'
import type { Kind } from './path.ts'
import { HANDLER_NAMES } from './v2.ts'

export interface Observer {
  started(): void
  target(request: FastifyRequest, kind: Kind): void
  ended(request: FastifyRequest, reply: FastifyReply, remote: string | undefined): void
}

export interface ObserverOptions {
  readonly metrics: Metrics
  readonly logger: FastifyBaseLogger
  readonly accessLog: boolean
}

export function createObserver({ metrics, logger, accessLog }: ObserverOptions): Observer {
  const kinds = new WeakMap<FastifyRequest, Kind>()
  return {
    started: () => metrics.started(),
    target: (request, kind) => void kinds.set(request, kind),
    ended(request, reply, remote) {
      const kind = kinds.get(request)
      const seconds = reply.elapsedTime / 1000
      const status = reply.raw.statusCode
      metrics.answered(kind === undefined ? 'other' : HANDLER_NAMES[kind], request.method, status, seconds)
      if (!accessLog) return
      const { 'user-agent': agent } = request.headers
      const facts = {
        method: request.method,
        path: request.raw.url,
        status,
        ms: Math.round(reply.elapsedTime),
        remote,
        ...(reply.raw.writableFinished ? {} : { aborted: true }),
        ...(agent === undefined ? {} : { agent }),
      }
      logger.info(facts, 'request')
    },
  }
}
