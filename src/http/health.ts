// /livez and /readyz for supervisors and load balancers, /metrics, and the public landing page. None of them
// tells a path, a version or a name to somebody who did not log in.
import type { FastifyInstance } from 'fastify'
import type { Gate } from './gate.ts'
import type { Metrics } from './metrics.ts'

export interface Readiness {
  /** Whether the process was held up so long that a restart may help. */
  isStalled(): boolean
  /** Lines about what is wrong; none when the registry can do its work. */
  problems(): Promise<string[]>
  /** Lines about what somebody should know: read-only, and so on. */
  notes(): string[]
}

const PAGE = `<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Tarn</title>
<h1>Tarn</h1>
<p>This is a container registry. Use it with podman, docker, skopeo or oc; its API is at <a href="v2/">/v2/</a>.</p>
</html>
`

/** Adds the routes for people and supervisors. Each names its action, as every route must (I7). */
export function addHealth(
  app: FastifyInstance,
  gate: Gate,
  readiness: Readiness,
  metrics: Metrics,
  prefix: string,
): void {
  app.get(`${prefix}/`, async (_request, reply) =>
    reply.headers({ 'content-type': 'text/html; charset=utf-8', 'cache-control': 'no-cache' }).send(PAGE),
  )
  addProbes(app, readiness, prefix)
  app.get(
    `${prefix}/metrics`,
    { onRequest: async (request, reply) => void (await gate(request, reply, { action: 'list' })) },
    async (_request, reply) => {
      const { type, text } = await metrics.render()
      return reply.header('content-type', type).send(text)
    },
  )
}

export function addProbes(app: FastifyInstance, readiness: Readiness, prefix: string): void {
  app.get(`${prefix}/livez`, async (_request, reply) => {
    const isStalled = readiness.isStalled()
    return reply
      .code(isStalled ? 503 : 200)
      .type('text/plain')
      .send(isStalled ? 'the process was held up for more than five seconds\n' : 'ok\n')
  })
  app.get(`${prefix}/readyz`, async (_request, reply) => {
    const problems = await readiness.problems()
    const lines = [...(problems.length === 0 ? ['ok'] : problems), ...readiness.notes()]
    return reply
      .code(problems.length === 0 ? 200 : 503)
      .type('text/plain')
      .send(`${lines.join('\n')}\n`)
  })
}
