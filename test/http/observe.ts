import { join } from 'node:path'
import t from 'tap'
import pino from 'pino'
import { buildRegistry } from '../../src/app.ts'
import { resolveConfig } from '../../src/config/load.ts'
import type { ConfigInput } from '../../src/config/schema.ts'
import { openClient } from '../helpers/client.ts'
import { PASSWORD, USERNAME, makeLogin } from '../helpers/login.ts'
import type { Test } from 'tap'

interface Line {
  readonly level: number
  readonly msg?: string
  readonly [key: string]: unknown
}

async function serve(t: Test, config: ConfigInput = {}) {
  // Not made anew where the test has put its htpasswd there.
  const directory = config.auth === undefined ? t.testdir({}) : t.testdirName
  const lines: Line[] = []
  const raw: string[] = []
  const logger = pino(
    { level: 'trace', base: {} },
    {
      write(line: string) {
        raw.push(line)
        lines.push(JSON.parse(line) as Line)
      },
    },
  )
  const app = await buildRegistry(
    resolveConfig({ storage: { filesystem: { rootdirectory: join(directory, 'data') } }, ...config }),
    { logger },
  )
  t.teardown(() => app.close())
  const url = await app.listen({ host: '127.0.0.1', port: 0 })
  const requests = () => lines.filter(({ method }) => method !== undefined)
  return { url, raw, requests }
}

t.test('each request is one line that reads well: who, what, how it ended', async (t) => {
  const { url, requests } = await serve(t)
  const client = openClient({ url })
  t.teardown(() => client.close())
  await client.send('GET', '/v2/a/manifests/v1?x=y', { headers: { 'user-agent': 'podman/5' } })
  await client.send('GET', '/livez')
  while (requests().length < 2) await new Promise((resolve) => setImmediate(resolve))
  const [line, other] = requests()
  t.match(line, {
    level: 30,
    msg: 'request',
    method: 'GET',
    path: '/v2/a/manifests/v1?x=y',
    status: 404,
    agent: 'podman/5',
  })
  t.match(line, { remote: '127.0.0.1', ms: Number })
  t.equal(other?.['agent'], undefined)
  t.equal(requests().length, 2)
})

t.test('log.accesslog.disabled leaves requests out', async (t) => {
  const { url, requests } = await serve(t, { log: { accesslog: { disabled: true } } })
  t.equal((await fetch(`${url}/v2/`)).status, 200)
  t.same(requests(), [])
})

t.test('no login gets into the log, right or wrong, however it is sent', async (t) => {
  const { url, raw, requests } = await serve(t, { auth: makeLogin(t.testdir({})) })
  const canary = 'canary-7f3a'
  const headers = [PASSWORD, canary].flatMap((password) => {
    const base64 = Buffer.from(`${USERNAME}:${password}`).toString('base64')
    return [`Basic ${base64}`, `Bearer ${base64}`, `basic ${canary}`, canary]
  })
  const client = openClient({ url })
  t.teardown(() => client.close())
  for (const authorization of headers) {
    await client.send('GET', '/v2/', { headers: { authorization } })
    await client.send('PUT', '/v2/a/manifests/v1', { headers: { authorization, cookie: canary }, body: 'x' })
    await client.send('GET', '/v2/%41', { headers: { authorization } })
  }
  while (requests().length < 3 * headers.length) await new Promise((resolve) => setImmediate(resolve))
  const log = raw.join('')
  for (const secret of [
    PASSWORD,
    canary,
    Buffer.from(`${USERNAME}:`).toString('base64').slice(0, 7),
    'authorization',
  ]) {
    t.notOk(log.toLowerCase().includes(secret.toLowerCase()), 'a secret is in the log')
  }
})
