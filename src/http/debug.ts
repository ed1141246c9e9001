// The listener of `http.debug.addr`: health and metrics without login, apart from the registry's own
// address. It shows neither configuration nor profiles, which distribution's does.
import type { FastifyBaseLogger, FastifyInstance } from 'fastify'
import fastify, { LogController } from 'fastify'
import { parseListenAddress } from '../config/address.ts'
import type { Config } from '../config/schema.ts'
import type { Readiness } from './health.ts'
import { addProbes } from './health.ts'
import type { Metrics } from './metrics.ts'

export interface DebugParts {
  readonly readiness: Readiness
  readonly metrics: Metrics
  readonly logger: FastifyBaseLogger
}

/** Listens while `app` does. */
export function addDebugListener(app: FastifyInstance, debug: Config['http']['debug'], parts: DebugParts): void {
  const address = debug.addr === undefined ? undefined : parseListenAddress(debug.addr)
  if (address === undefined) return
  const side = fastify({
    loggerInstance: parts.logger,
    logController: new LogController({ disableRequestLogging: true }),
  })
  addProbes(side, parts.readiness, '')
  side.get('/debug/health', async (_request, reply) => {
    const problems = await parts.readiness.problems()
    return reply.code(problems.length === 0 ? 200 : 503).send(Object.fromEntries(problems.map((text, i) => [i, text])))
  })
  if (debug.prometheus.enabled) {
    side.get(debug.prometheus.path, async (_request, reply) => {
      const { type, text } = await parts.metrics.render()
      return reply.header('content-type', type).send(text)
    })
  }
  // Before the registry itself listens: an address in use must stop the start, and an error here does.
  app.addHook('onReady', async () => void (await side.listen({ host: address.host ?? '::', port: address.port })))
  app.addHook('onClose', async () => side.close())
}
