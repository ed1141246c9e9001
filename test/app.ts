import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { appendFileSync, chmodSync, existsSync, mkdirSync, readFileSync } from 'node:fs'
import { request } from 'node:https'
import type { RequestOptions } from 'node:https'
import { join } from 'node:path'
import { connect } from 'node:tls'
import Fastify from 'fastify'
import t from 'tap'
import type { Test } from 'tap'
import { buildRegistry } from '../src/app.ts'
import { resolveConfig } from '../src/config/load.ts'
import type { ConfigInput } from '../src/config/schema.ts'
import { codeOf, openClient } from './helpers/client.ts'
import { hashOf } from './helpers/digest.ts'
import { makeLogin, makeTls } from './helpers/login.ts'
import { pushBlob, pushImage } from './helpers/push.ts'
import { startTarn } from './helpers/server.ts'

const build = (root: string, config: ConfigInput = {}) =>
  buildRegistry(resolveConfig({ ...config, storage: { filesystem: { rootdirectory: root } } }))

function open(t: Test, url: string) {
  const client = openClient({ url })
  t.teardown(() => client.close())
  return client
}

t.test('what was pushed is served by the next life of the server', async (t) => {
  const first = await startTarn(t)
  const pushed = await pushImage(open(t, first.url), 'team/a', 'note', { reference: 'v1' })
  await first.close()
  const second = await startTarn(t, {}, first.directory)
  const answer = await open(t, second.url).send('GET', '/v2/team/a/manifests/v1')
  t.ok(answer.body.equals(pushed.body))
})

t.test('a second server on the same directory reads, refuses writes, and takes over when the first ends', async (t) => {
  const first = await startTarn(t)
  await pushImage(open(t, first.url), 'a', 'note', { reference: 'v1' })
  const second = await startTarn(t, {}, first.directory)
  const client = open(t, second.url)
  t.equal((await client.send('GET', '/v2/a/manifests/v1')).status, 200)
  const refused = await client.send('POST', '/v2/a/blobs/uploads/')
  t.same([refused.status, codeOf(refused)], [405, 'UNSUPPORTED'])
  t.match(refused.body.toString(), /another process keeps/)
  await first.close()
  let status = 0
  while (status !== 202) ({ status } = await client.send('POST', '/v2/a/blobs/uploads/'))
  t.pass('it took over by itself')
})

t.test('a read-only registry serves and makes nothing, not even a lock', async (t) => {
  const config = { storage: { maintenance: { readonly: { enabled: true } } } }
  const root = t.testdir({})
  const app = await buildRegistry(
    resolveConfig({ storage: { ...config.storage, filesystem: { rootdirectory: root } } }),
  )
  t.teardown(() => app.close())
  t.equal((await app.inject('/v2/_catalog')).body, '{"repositories":[]}\n')
  const refused = await app.inject({ method: 'POST', url: '/v2/a/blobs/uploads/' })
  t.equal(refused.statusCode, 405)
  t.match(refused.body, /storage\.maintenance\.readonly/)
  t.notOk(existsSync(join(root, '.tarn')))
})

t.test('a server starts on a cache full of old lines', async (t) => {
  const first = await startTarn(t)
  await pushBlob(open(t, first.url), 'a', Buffer.from('x'))
  await first.close()
  const log = join(first.data, '.tarn/cache/verified')
  const [, line = ''] = readFileSync(log, 'utf8').split('\n')
  appendFileSync(log, `${line}\n`.repeat(5000))
  const second = await startTarn(t, {}, first.directory)
  const client = open(t, second.url)
  for (const text of ['y', 'z']) await pushBlob(client, 'a', Buffer.from(text))
  t.equal((await client.send('HEAD', `/v2/a/blobs/${hashOf('x')}`)).status, 200)
  t.ok(readFileSync(log, 'utf8').split('\n').length < 10, 'and shortens it')
})

t.test('a data directory that is a file, and a missing htpasswd, are said with a hint', async (t) => {
  const root = t.testdir({ file: '', data: {} })
  await t.rejects(build(join(root, 'file')), { code: /ENOTDIR|EEXIST/ })
  await t.rejects(build(join(root, 'data'), { auth: { htpasswd: { path: join(root, 'none') } } }), {
    message: /none/,
    hint: /.+/,
  })
})

t.test('closing twice is no trouble and frees the lock', async (t) => {
  const root = t.testdir({})
  const app = await build(root)
  await app.ready()
  t.ok(existsSync(join(root, '.tarn/keeper.json')))
  await Promise.all([app.close(), app.close()])
  t.notOk(existsSync(join(root, '.tarn/keeper.json')))
  const next = await build(root)
  t.equal((await next.inject({ method: 'POST', url: '/v2/a/blobs/uploads/' })).statusCode, 202)
  await next.close()
})

t.test(
  'every route that a host is given asks for a login, but for the signature store, which is for everybody',
  async (t) => {
    const host = Fastify()
    t.teardown(() => host.close())
    const routes: { method: string; url: string }[] = []
    host.addHook('onRoute', ({ method, url }) => {
      for (const each of [method].flat()) routes.push({ method: each, url })
    })
    await buildRegistry(
      resolveConfig({
        storage: { filesystem: { rootdirectory: t.testdir({ data: {} }) } },
        auth: makeLogin(t.testdir({})),
      }),
      { fastify: host },
    )
    await host.ready()
    t.ok(routes.length > 10)
    const open: string[] = []
    for (const { method, url } of routes) {
      const { statusCode } = await host.inject({ method: method as 'GET', url: url.replace('*', 'a/manifests/b') })
      if (statusCode !== 401) open.push(`${method} ${url}`)
    }
    t.same(
      open,
      ['GET', 'HEAD'].map((method) => `${method} /signatures/openshift/release/:digest/:name`),
    )
  },
)

t.test('a host’s own routes, errors and pages are left alone', async (t) => {
  const host = Fastify()
  t.teardown(() => host.close())
  host.get('/own', (_request, reply) => reply.send({ mine: true }))
  host.post('/own', (request, reply) => reply.send(request.body))
  host.setNotFoundHandler(async (_request, reply) => reply.code(404).send({ page: 'mine' }))
  await buildRegistry(
    resolveConfig({ storage: { filesystem: { rootdirectory: t.testdir({}) } }, http: { prefix: '/registry/' } }),
    { fastify: host },
  )
  t.same((await host.inject('/own')).json(), { mine: true })
  t.same((await host.inject({ method: 'POST', url: '/own', payload: { a: 1 } })).json(), { a: 1 })
  t.equal((await host.inject('/registry/v2/')).statusCode, 200)
  t.same((await host.inject('/elsewhere')).json(), { page: 'mine' })
})

t.test('http.prefix moves everything, and Locations and Links with it', async (t) => {
  const { url } = await startTarn(t, { http: { prefix: '/mirror/' }, catalog: { maxentries: 1 } })
  const client = open(t, url)
  const begun = await client.send('POST', '/mirror/v2/a/blobs/uploads/')
  t.match(begun.headers.location, /^\/mirror\/v2\/a\/blobs\/uploads\/[0-9a-f-]{36}$/)
  for (const name of ['a', 'b']) {
    const path = `/mirror/v2/${name}/blobs/uploads/?digest=${hashOf('x')}`
    const pushed = await client.send('POST', path, { body: 'x' })
    t.equal(pushed.headers.location, `/mirror/v2/${name}/blobs/${hashOf('x')}`)
  }
  t.equal(
    (await client.send('GET', '/mirror/v2/_catalog')).headers['link'],
    '</mirror/v2/_catalog?last=a&n=1>; rel="next"',
  )
  t.equal((await client.send('GET', '/mirror/v2//_catalog')).headers.location, '/mirror/v2/_catalog')
  t.equal((await client.send('GET', '/v2/')).status, 404)
})

t.test('a proxy without a login takes no push and no delete, as in distribution', async (t) => {
  const remoteurl = 'http://127.0.0.1:1'
  const { url } = await startTarn(t, { proxy: { remoteurl }, storage: { delete: { enabled: true } } })
  const client = open(t, url)
  for (const [method, path] of [
    ['POST', '/v2/a/blobs/uploads/'],
    ['PUT', '/v2/a/manifests/x'],
    ['DELETE', '/v2/a/manifests/x'],
    ['DELETE', `/v2/a/blobs/${hashOf('x')}`],
  ] as const) {
    const { status, body } = await client.send(method, path)
    t.equal(status, 405, `${method} ${path}`)
    t.match(String(body), /UNSUPPORTED.*proxy without a login/)
  }
  t.equal((await client.send('GET', '/v2/')).status, 200)
  const asked = await startTarn(t, { proxy: { remoteurl }, mirror: { anonymous: true } })
  t.equal((await open(t, asked.url).send('POST', '/v2/a/blobs/uploads/')).status, 202)
})

t.test('http.host makes Locations absolute', async (t) => {
  const { url } = await startTarn(t, { http: { host: 'https://registry.example.com:8443/', prefix: '/p/' } })
  const client = open(t, url)
  const base = 'https://registry.example.com:8443/p/v2/a'
  const begun = await client.send('POST', '/p/v2/a/blobs/uploads/', { headers: { host: 'evil.example' } })
  t.ok(begun.headers.location?.startsWith(`${base}/blobs/uploads/`))
  const pushed = await client.send('POST', `/p/v2/a/blobs/uploads/?digest=${hashOf('x')}`, { body: 'x' })
  t.equal(pushed.headers.location, `${base}/blobs/${hashOf('x')}`)
})

t.test('what the client says of itself in Host and X-Forwarded-* changes no Location', async (t) => {
  const { url } = await startTarn(t)
  const headers = { host: 'evil.example', 'x-forwarded-host': 'evil.example', 'x-forwarded-proto': 'https' }
  const { headers: answered } = await open(t, url).send('POST', '/v2/a/blobs/uploads/', { headers })
  t.match(answered.location, /^\/v2\/a\/blobs\/uploads\//)
})

t.test('configured headers are on every answer', async (t) => {
  const { url } = await startTarn(t, { http: { headers: { 'X-Test': ['one'], 'X-Two': ['a', 'b'] } } })
  for (const path of ['/v2/', '/v2/a/manifests/x', '/', '/nowhere']) {
    const { headers } = await open(t, url).send('GET', path)
    t.equal(headers['x-test'], 'one', path)
    t.equal(headers['x-two'], 'a, b', path)
  }
})

/** GET /v2/ with these options; the status, or the code of the failure. */
function ask(port: number, options: RequestOptions): Promise<number | string> {
  return new Promise((resolve) => {
    const asking = request({ host: '127.0.0.1', port, path: '/v2/', agent: false, ...options }, (response) => {
      response.resume().once('end', () => resolve(response.statusCode ?? 0))
    })
    asking.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
    asking.end()
  })
}

t.test('clientcas lets in who shows a certificate of that authority, and asks for the login besides', async (t) => {
  const directory = t.testdir({})
  const { tls, ca } = makeTls(directory)
  // Tarn itself makes no certificates for clients: these sign themselves.
  const [ours, theirs] = ['ours', 'theirs'].map((name) => {
    const [key, cert] = [join(directory, `${name}.key`), join(directory, `${name}.crt`)]
    const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256']
    execFileSync(
      'openssl',
      ['req', '-x509', ...curve, '-nodes', '-subj', `/CN=${name}`, '-keyout', key, '-out', cert],
      {
        stdio: 'ignore',
      },
    )
    return { cert: readFileSync(cert), key: readFileSync(key), ca }
  })
  const clientcas = [join(directory, 'ours.crt')]
  const { port } = await startTarn(t, { http: { tls: { ...tls, clientcas } } })
  const login = await startTarn(t, { http: { tls: { ...tls, clientcas } }, auth: makeLogin(directory) })
  t.equal(typeof (await ask(port, { ca })), 'string', 'none')
  t.equal(typeof (await ask(port, { ...theirs })), 'string', 'a stranger’s')
  t.equal(await ask(port, { ...ours }), 200)
  t.equal(await ask(login.port, { ...ours }), 401)
})

t.test('a certificate that is replaced under the running server is shown to the next connection', async (t) => {
  const directory = t.testdir({})
  const { tls, ca } = makeTls(directory)
  const { port } = await startTarn(t, { http: { tls } })
  const shown = async (): Promise<string> => {
    const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false })
    await once(socket, 'secureConnect')
    const { fingerprint256 } = socket.getPeerCertificate()
    socket.destroy()
    return fingerprint256
  }
  const before = await shown()
  const kept = connect({ host: '127.0.0.1', port, ca, servername: 'localhost' })
  await once(kept, 'secureConnect')
  makeTls(directory)
  while ((await shown()) === before) await new Promise((resolve) => setTimeout(resolve, 50))
  t.pass('the new one')
  kept.write('GET /v2/ HTTP/1.1\r\nHost: localhost\r\n\r\n')
  const [answer] = (await once(kept, 'data')) as [Buffer]
  t.match(answer.toString('latin1'), /^HTTP\/1\.1 200 /, 'the old connection goes on')
  kept.destroy()
})

t.test('HTTP/2 is not offered', async (t) => {
  const { tls, ca } = makeTls(t.testdir({}))
  const { port } = await startTarn(t, { http: { tls } })
  const socket = connect({ host: '127.0.0.1', port, ca, servername: 'localhost', ALPNProtocols: ['h2', 'http/1.1'] })
  await once(socket, 'secureConnect')
  t.equal(socket.alpnProtocol, 'http/1.1')
  socket.destroy()
})

t.test('a directory that this user may not write is one error with the uid, the path and the cure', async (t) => {
  const root = t.testdir({ data: {} })
  mkdirSync(join(root, 'data/x'))
  chmodSync(join(root, 'data'), 0o555)
  if (process.getuid?.() !== 0) {
    await t.rejects(build(join(root, 'data')), { message: /cannot write the data directory/, hint: /chown/ })
    return
  }
  // Root may write everywhere: the question is asked by another user.
  execFileSync('chmod', ['-R', 'a+rX', root])
  const code = `
    process.setgid(65534); process.setuid(65534)
    const { buildRegistry } = await import(${JSON.stringify(new URL('../src/app.ts', import.meta.url).href)})
    const { resolveConfig } = await import(${JSON.stringify(new URL('../src/config/load.ts', import.meta.url).href)})
    await buildRegistry(resolveConfig({ storage: { filesystem: { rootdirectory: ${JSON.stringify(join(root, 'data'))} } } }))
      .then(() => console.log('served'), ({ message, hint }) => console.log(message + ' | ' + hint))`
  const text = execFileSync(process.execPath, ['--input-type=module', '-e', code], { encoding: 'utf8', cwd: '/' })
  t.match(text, /^cannot write the data directory .*\/data as uid 65534 \| run: chown -R 65534 .*\/data/)
})
