// Which paths mean something, which are redirected, and which methods each takes.
import t from 'tap'
import { codeOf, headerOf, locationOf, openClient } from '../helpers/client.ts'
import { hashOf } from '../helpers/digest.ts'
import { pushBlob, pushImage } from '../helpers/push.ts'
import { startTarn } from '../helpers/server.ts'

const { url } = await startTarn(t, { storage: { delete: { enabled: true } } })
const client = openClient({ url })
t.teardown(() => client.close())
const REPO = 'team/app'
const { digest } = await pushImage(client, REPO, 'paths', { reference: 'v1' })
const blob = await pushBlob(client, REPO, Buffer.from('paths'))

const SAME = [
  ['/v2', '/v2/'],
  [`/v2/${REPO}/tags/list`, `/v2/team%2Fapp/tags/list`],
  [`/v2/${REPO}/tags/list`, `/v2/team%2fapp/tags/list`],
  [`/v2/${REPO}/manifests/${digest}`, `/v2/${REPO}/manifests/${digest.replace(':', '%3A')}`],
  [`/v2/${REPO}/manifests/${digest}`, `/v2/${REPO}/manifests/${digest.replace(':', '%3a')}`],
  [`/v2/${REPO}/blobs/${blob}`, `/v2/team%2Fapp/blobs/${blob.replace(':', '%3A')}`],
] as const

for (const [path, other] of SAME) {
  t.test(`${other} is ${path}`, async (t) => {
    const [one, two] = [await client.send('GET', path), await client.send('GET', other)]
    t.equal(two.status, 200)
    t.ok(one.body.equals(two.body))
  })
}

t.test('uploads begin at uploads/ and at uploads', async (t) => {
  for (const path of [`/v2/${REPO}/blobs/uploads/`, `/v2/${REPO}/blobs/uploads`]) {
    const answer = await client.send('POST', path)
    t.equal(answer.status, 202, path)
    t.equal((await client.send('DELETE', locationOf(answer))).status, 204)
  }
})

const REDIRECTS = [
  [`/v2/${REPO}/tags/list/`, `/v2/${REPO}/tags/list`],
  [`/v2/${REPO}/tags/list//`, `/v2/${REPO}/tags/list`],
  [`/v2//${REPO}/tags/list`, `/v2/${REPO}/tags/list`],
  [`/v2/team//app/tags/list`, `/v2/${REPO}/tags/list`],
  [`/v2/team/x/../app/tags/list`, `/v2/${REPO}/tags/list`],
  [`/v2/./team/./app/tags/list`, `/v2/${REPO}/tags/list`],
  [`/v2/${REPO}/tags/list/?n=1`, `/v2/${REPO}/tags/list?n=1`],
  [`/v2/${REPO}/manifests/v1/`, `/v2/${REPO}/manifests/v1`],
  [`/v2/${REPO}/blobs/${blob}/`, `/v2/${REPO}/blobs/${blob}`],
  ['/v2/_catalog/', '/v2/_catalog'],
  ['/v2//_catalog?n=2', '/v2/_catalog?n=2'],
] as const

for (const [path, clean] of REDIRECTS) {
  t.test(`GET and HEAD of ${path} are 301 to ${clean}`, async (t) => {
    for (const method of ['GET', 'HEAD']) {
      const answer = await client.send(method, path)
      t.equal(answer.status, 301, method)
      t.equal(headerOf(answer, 'location'), clean, method)
    }
    const write = await client.send('DELETE', path)
    t.ok(write.status >= 400 && write.status < 500, `DELETE is not redirected: ${write.status}`)
  })
}

t.test('a Location never names another host', async (t) => {
  for (const path of [
    '//evil.example/v2/',
    '//evil.example/v2/team/app/tags/list/',
    '/v2//evil.example/..//..',
    '/v2/..//evil.example/',
  ]) {
    const answer = await client.send('GET', path)
    t.match(headerOf(answer, 'location'), /^($|\/v2\/(?!\/))/, path)
  }
  const headers = {
    host: 'evil.example',
    'x-forwarded-host': 'evil.example',
    'x-forwarded-proto': 'https',
    forwarded: 'host=evil.example',
  }
  const answer = await client.send('POST', `/v2/${REPO}/blobs/uploads/`, { headers })
  t.match(headerOf(answer, 'location'), /^\/v2\/team\/app\/blobs\/uploads\//)
})

const ALLOWED = [
  ['/v2/', ['GET', 'HEAD']],
  ['/v2/_catalog', ['GET']],
  [`/v2/${REPO}/tags/list`, ['GET']],
  [`/v2/${REPO}/manifests/v1`, ['GET', 'HEAD', 'PUT', 'DELETE']],
  [`/v2/${REPO}/manifests/${digest}`, ['GET', 'HEAD', 'PUT', 'DELETE']],
  [`/v2/${REPO}/blobs/${blob}`, ['GET', 'HEAD', 'DELETE']],
  [`/v2/${REPO}/blobs/uploads/`, ['POST']],
  [`/v2/${REPO}/blobs/uploads/00000000-0000-4000-8000-000000000000`, ['GET', 'HEAD', 'PATCH', 'PUT', 'DELETE']],
  [`/v2/${REPO}/referrers/${hashOf('x')}`, ['GET']],
] as const
const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'TRACE', 'PROPFIND']

for (const [path, allowed] of ALLOWED) {
  for (const method of METHODS.filter((method) => !(allowed as readonly string[]).includes(method))) {
    t.test(`${method} ${path} is 405 UNSUPPORTED with Allow`, async (t) => {
      const answer = await client.send(method, path)
      t.equal(answer.status, 405)
      t.same(headerOf(answer, 'allow').split(/, */).toSorted(), allowed.toSorted())
      if (method !== 'HEAD') t.equal(codeOf(answer), 'UNSUPPORTED')
    })
  }
  t.test(`OPTIONS ${path} is 200 with Allow`, async (t) => {
    const answer = await client.send('OPTIONS', path)
    t.equal(answer.status, 200)
    t.same(headerOf(answer, 'allow').split(/, */).toSorted(), allowed.toSorted())
  })
}

t.test('a repository may have components that are words of the API', async (t) => {
  for (const repo of [
    'tags',
    'blobs/uploads',
    'manifests/v1',
    'v2',
    'a/tags/list',
    'x/blobs',
    'uploads',
    'referrers/x',
  ]) {
    const { digest } = await pushImage(client, repo, repo, { reference: 'v1' })
    t.equal(headerOf(await client.send('GET', `/v2/${repo}/manifests/v1`), 'docker-content-digest'), digest, repo)
    t.same(JSON.parse((await client.send('GET', `/v2/${repo}/tags/list`)).body.toString()), {
      name: repo,
      tags: ['v1'],
    })
  }
})

t.test('http.prefix moves everything, and Location names it', async (t) => {
  const { url } = await startTarn(t, { http: { prefix: '/hub/' } })
  const client = openClient({ url })
  t.teardown(() => client.close())
  t.equal((await client.send('GET', '/hub/v2/')).status, 200)
  t.equal((await client.send('GET', '/v2/')).status, 404)
  const answer = await client.send('POST', '/hub/v2/a/blobs/uploads/')
  t.match(headerOf(answer, 'location'), /^\/hub\/v2\/a\/blobs\/uploads\//)
})

t.test('http.host makes Location absolute', async (t) => {
  const { url } = await startTarn(t, { http: { host: 'https://registry.example:8443' } })
  const client = openClient({ url })
  t.teardown(() => client.close())
  const answer = await client.send('POST', '/v2/a/blobs/uploads/')
  t.match(headerOf(answer, 'location'), /^https:\/\/registry\.example:8443\/v2\/a\/blobs\/uploads\//)
})
