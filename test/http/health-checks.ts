import { once } from 'node:events'
import { rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createServer as createTcpServer } from 'node:net'
import { join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { resolveConfig } from '../../src/config/load.ts'
import type { ConfigInput } from '../../src/config/schema.ts'
import { startHealthChecks } from '../../src/http/health-checks.ts'

type Checks = NonNullable<ConfigInput['health']>

/** Starts the checks; `until` waits until they say this. A check that never says it lets the test time out. */
function start(t: Test, health: Checks) {
  const checks = startHealthChecks(resolveConfig({ health }).health)
  t.teardown(() => checks.close())
  const until = async (problems: readonly string[]): Promise<void> => {
    while (JSON.stringify(checks.problems()) !== JSON.stringify(problems)) {
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
    t.same(checks.problems(), problems)
  }
  return { checks, until }
}

async function listen(t: Test, server: ReturnType<typeof createTcpServer>): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  return (server.address() as AddressInfo).port
}

t.test('without checks there are no problems', async (t) => {
  t.same(start(t, {}).checks.problems(), [])
})

t.test('a file that exists is a problem, until it is gone', async (t) => {
  const file = join(t.testdir({}), 'down')
  const { until } = start(t, { file: [{ file, interval: 10 }] })
  await until([])
  writeFileSync(file, '')
  await until(['health.file fails'])
  rmSync(file)
  await until([])
})

t.test('an address that answers with another status is a problem; the configured headers are sent', async (t) => {
  let status = 200
  const seen: string[] = []
  const server = createServer((request, response) => {
    seen.push(`${request.method} ${request.url} ${String(request.headers['x-check'])}`)
    response.writeHead(status, { location: '/elsewhere' }).end()
  })
  const port = await listen(t, server)
  t.teardown(() => server.closeAllConnections())
  const { until } = start(t, {
    http: [{ uri: `http://127.0.0.1:${port}/up`, interval: 10, headers: { 'X-Check': ['yes'] } }],
  })
  await until([])
  for (const wrong of [500, 302, 404]) {
    status = wrong
    await until(['health.http fails'])
    status = 200
    await until([])
  }
  t.same(new Set(seen), new Set(['HEAD /up yes']))
})

t.test('an address that never answers is a problem after its timeout', async (t) => {
  const sockets = new Set<{ destroy(): void }>()
  const port = await listen(
    t,
    createTcpServer((socket) => void sockets.add(socket)),
  )
  t.teardown(() => sockets.forEach((socket) => socket.destroy()))
  const { until } = start(t, { http: [{ uri: `http://127.0.0.1:${port}/`, interval: 10, timeout: 50 }] })
  await until(['health.http fails'])
})

t.test('a port that takes no connection is a problem', async (t) => {
  const server = createTcpServer((socket) => socket.destroy())
  const port = await listen(t, server)
  const { until } = start(t, { tcp: [{ addr: `127.0.0.1:${port}`, interval: 10 }] })
  await until([])
  server.close()
  await until(['health.tcp fails'])
})

t.test('a check fails only after as many failures in a row as its threshold says', async (t) => {
  let asked = 0
  const server = createServer((_request, response) => {
    asked += 1
    response.writeHead(asked === 3 ? 200 : 500).end()
  })
  const port = await listen(t, server)
  t.teardown(() => server.closeAllConnections())
  const { checks, until } = start(t, { http: [{ uri: `http://127.0.0.1:${port}/`, interval: 10, threshold: 4 }] })
  let early = 0
  while (asked < 6) {
    // Two failures, a success, three failures: never four in a row.
    early += checks.problems().length
    await new Promise((resolve) => setImmediate(resolve))
  }
  t.equal(early, 0)
  await until(['health.http fails'])
})

t.test('a page for everybody names no file, address or header of a check', async (t) => {
  const file = join(t.testdir({ down: '' }), 'down')
  const { until } = start(t, {
    file: [
      { file, interval: 10 },
      { file, interval: 10 },
    ],
  })
  await until(['health.file fails', 'health.file fails'])
})
