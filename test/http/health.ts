import { once } from 'node:events'
import { renameSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import t from 'tap'
import { buildRegistry } from '../../src/app.ts'
import { resolveConfig } from '../../src/config/load.ts'
import { openClient } from '../helpers/client.ts'
import { PASSWORD, USERNAME, makeLogin } from '../helpers/login.ts'
import { breakSyncs } from '../helpers/store.ts'
import { startTarn } from '../helpers/server.ts'

const get = async (url: string) => {
  const answer = await fetch(url)
  return { status: answer.status, type: answer.headers.get('content-type'), text: await answer.text() }
}

t.test('the landing page is for everybody and says nothing that a stranger should not know', async (t) => {
  const { url, data } = await startTarn(t, { auth: makeLogin(t.testdir()) })
  const { status, type, text } = await get(`${url}/`)
  t.equal(status, 200)
  t.equal(type, 'text/html; charset=utf-8')
  t.match(text, '/v2/')
  t.notMatch(text, data)
  t.notMatch(text, /\d+\.\d+\.\d+/, 'no version')
})

t.test('livez and readyz need no login', async (t) => {
  const { url } = await startTarn(t, { auth: makeLogin(t.testdir()) })
  for (const path of ['/livez', '/readyz']) {
    t.match(await get(`${url}${path}`), { status: 200, type: /^text\/plain/, text: 'ok\n' })
  }
})

t.test(
  'a data directory that is gone makes readyz 503, livez stays 200, and it does not come back empty',
  async (t) => {
    const { url, data } = await startTarn(t)
    renameSync(data, `${data}.moved`)
    const gone = await get(`${url}/readyz`)
    t.equal(gone.status, 503)
    t.match(gone.text, /data directory cannot be/)
    t.notMatch(gone.text, data)
    t.equal((await get(`${url}/livez`)).status, 200)
    const push = await fetch(`${url}/v2/a/blobs/uploads/`, { method: 'POST' })
    t.equal(push.status, 405, 'nothing is taken meanwhile')
    t.equal((await get(`${url}/readyz`)).status, 503, 'asking did not make a new one')
    renameSync(`${data}.moved`, data)
    while ((await get(`${url}/readyz`)).text !== 'ok\n') await new Promise((resolve) => setTimeout(resolve, 50))
    t.equal((await fetch(`${url}/v2/a/blobs/uploads/`, { method: 'POST' })).status, 202)
  },
)

t.test('a registry that only reads is ready and says that it only reads', async (t) => {
  const { url } = await startTarn(t, { storage: { maintenance: { readonly: { enabled: true } } } })
  t.match(await get(`${url}/readyz`), { status: 200, text: 'ok\nread-only\n' })
})

t.test('a disk that lost what was written makes readyz 503 until it takes a push again', async (t) => {
  let broken = true
  const app = await buildRegistry(resolveConfig({ storage: { filesystem: { rootdirectory: t.testdir({}) } } }), {
    sync: breakSyncs('blob file', 'EIO', () => broken),
  })
  t.teardown(() => app.close())
  const url = await app.listen({ host: '127.0.0.1', port: 0 })
  const digest = 'sha256:2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881'
  const push = () => fetch(`${url}/v2/a/blobs/uploads/?digest=${digest}`, { method: 'POST', body: 'x' })
  t.equal((await push()).status, 503)
  t.match(await get(`${url}/readyz`), { status: 503, text: /disk .* errors/ })
  broken = false
  t.equal((await push()).status, 201)
  t.match(await get(`${url}/readyz`), { status: 200, text: 'ok\n' })
})

t.test('a configured check that fails makes readyz 503 by its kind, not by its path', async (t) => {
  const file = join(t.testdir({}), 'down')
  writeFileSync(file, '')
  const { url } = await startTarn(t, { health: { file: [{ file, interval: 10 }] } })
  while ((await get(`${url}/readyz`)).status === 200) await new Promise((resolve) => setTimeout(resolve, 5))
  const { text } = await get(`${url}/readyz`)
  t.equal(text, 'health.file fails\n')
})

t.test('metrics are behind the login and go by distribution’s names', async (t) => {
  const { url } = await startTarn(t, { auth: makeLogin(t.testdir()) })
  t.equal((await get(`${url}/metrics`)).status, 401)
  const client = openClient({ url, username: USERNAME, password: PASSWORD })
  t.teardown(() => client.close())
  await client.send('GET', '/v2/team/secret/manifests/v1')
  const answer = await client.send('GET', '/metrics')
  t.equal(answer.status, 200)
  t.match(answer.headers['content-type'], /^text\/plain; version=0\.0\.4/)
  const text = answer.body.toString()
  t.match(text, /^registry_http_requests_total\{handler="manifest",method="get",code="404"\} 1$/m)
  t.match(text, /^registry_http_request_duration_seconds_count\{handler="manifest",method="get"\} 1$/m)
  t.match(text, /^registry_http_in_flight_requests 1$/m, 'this one')
  t.match(text, /^tarn_keeper 1$/m)
  t.match(text, /^process_cpu_seconds_total /m)
  t.notMatch(text, /team|secret|admin/, 'no names of repositories or users')
})

t.test('under a prefix everything is there and nowhere else', async (t) => {
  const { url } = await startTarn(t, { http: { prefix: '/mirror/' } })
  for (const path of ['/', '/livez', '/readyz', '/metrics', '/v2/']) {
    t.equal((await get(`${url}/mirror${path}`)).status, 200, path)
    t.equal((await get(`${url}${path}`)).status, 404, path)
  }
})

t.test('the debug listener has health and metrics without a login, and ends with the registry', async (t) => {
  const probe = createServer()
  probe.listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const { port } = probe.address() as AddressInfo
  await new Promise((resolve) => probe.close(resolve))
  const debug = `http://127.0.0.1:${port}`
  const tarn = await startTarn(t, {
    auth: makeLogin(t.testdir()),
    http: { debug: { addr: `127.0.0.1:${port}`, prometheus: { enabled: true, path: '/prom' } } },
  })
  const { url, data } = tarn
  // It listens when the registry does, a moment later.
  while ((await get(debug).catch(() => undefined)) === undefined) await new Promise((resolve) => setImmediate(resolve))
  t.match(await get(`${debug}/prom`), { status: 200, text: /^tarn_keeper 1$/m })
  t.match(await get(`${debug}/debug/health`), { status: 200, text: '{}' })
  t.equal((await get(`${debug}/readyz`)).status, 200)
  for (const path of ['/v2/', '/v2/_catalog', '/debug/vars', '/debug/pprof/', '/metrics']) {
    t.equal((await get(`${debug}${path}`)).status, 404, path)
  }
  t.equal((await get(`${url}/metrics`)).status, 401, 'the registry itself still asks')
  renameSync(data, `${data}.moved`)
  t.equal((await get(`${debug}/debug/health`)).status, 503)
  await tarn.close()
  await t.rejects(fetch(`${debug}/livez`))
})

t.test('without a path for prometheus the debug listener shows no metrics', async (t) => {
  const { url } = await startTarn(t, { http: { debug: { prometheus: { enabled: false } } } })
  t.equal((await get(`${url}/debug/health`)).status, 404, 'nor does the registry itself')
})
