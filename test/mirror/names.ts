import { randomBytes } from 'node:crypto'
import t from 'tap'
import { UP, pushLayers, startMirror, startUpstream, until } from '../helpers/mirror.ts'

const HUB = { host: 'docker.io' }

t.test('?ns= names the upstream, and means the repository of its prefix', async (t) => {
  const { client, gateway } = await startUpstream(t)
  const image = await pushLayers(client, 'team/app', [randomBytes(1000)], { reference: 'one' })
  const mirror = await startMirror(t, [gateway])
  const answer = await mirror.client.send('GET', `/v2/team/app/manifests/one?ns=${UP}`)
  t.equal(answer.headers['docker-content-digest'], image.digest)
  await until('it is here under its prefix', async () => {
    const { body } = await mirror.client.send('GET', '/v2/_catalog')
    return body.toString().includes(`"${UP}/team/app"`)
  })
  t.equal((await mirror.client.send('GET', `/v2/team/app/blobs/${image.layers[0]}?ns=${UP}`)).status, 200)
})

t.test('an image of an upstream that is not configured is never taken from another repository', async (t) => {
  const { gateway } = await startUpstream(t)
  const mirror = await startMirror(t, [gateway])
  await pushLayers(mirror.client, 'team/app', [randomBytes(1000)], { reference: 'one' })
  t.equal((await mirror.client.send('GET', '/v2/team/app/manifests/one?ns=other.test')).status, 404)
  await pushLayers(mirror.client, 'other.test_5000/team/app', [randomBytes(1000)], { reference: 'one' })
  t.equal((await mirror.client.send('GET', '/v2/team/app/manifests/one?ns=other.test:5000')).status, 200)
})

t.test('?ns= that names this very registry means its own repositories', async (t) => {
  const { gateway } = await startUpstream(t)
  const mirror = await startMirror(t, [gateway])
  await pushLayers(mirror.client, 'team/app', [randomBytes(1000)], { reference: 'one' })
  const { host } = new URL(mirror.url)
  t.equal((await mirror.client.send('GET', `/v2/team/app/manifests/one?ns=${host}`)).status, 200)
})

t.test('a rewrite of k3s leads to a repository of this registry by its name, whatever ?ns= comes along', async (t) => {
  const { gateway } = await startUpstream(t)
  const mirror = await startMirror(t, [gateway])
  const image = await pushLayers(mirror.client, 'ocp4/openshift4', [randomBytes(1000)], { reference: 'one' })
  const { hostname } = new URL(mirror.url)
  for (const ns of [UP, 'quay.io']) {
    const path = `/v2/${hostname}/ocp4/openshift4`
    t.equal((await mirror.client.send('GET', `${path}/manifests/${image.digest}?ns=${ns}`)).status, 200)
    t.equal((await mirror.client.send('GET', `${path}/blobs/${image.layers[0]}?ns=${ns}`)).status, 200)
    t.equal((await mirror.client.send('GET', `/v2/ocp4/openshift4/manifests/${image.digest}?ns=${ns}`)).status, 404)
  }
  // Without it a name is what it says.
  t.equal((await mirror.client.send('GET', `/v2/${hostname}/ocp4/openshift4/manifests/one`)).status, 404)
})

t.test('a name of one word at Docker Hub is one of its library', async (t) => {
  const { client, gateway } = await startUpstream(t)
  const image = await pushLayers(client, 'library/alpine', [randomBytes(1000)], { reference: 'one' })
  const mirror = await startMirror(t, [gateway], { upstream: HUB })
  for (const path of [
    '/v2/docker.io/alpine/manifests/one',
    '/v2/docker.io/library/alpine/manifests/one',
    '/v2/library/alpine/manifests/one?ns=docker.io',
    '/v2/alpine/manifests/one?ns=docker.io',
    '/v2/library/alpine/manifests/one?ns=registry-1.docker.io',
  ]) {
    const answer = await mirror.client.send('GET', path)
    t.equal(answer.headers['docker-content-digest'], image.digest, path)
  }
  const pushed = await pushLayers(mirror.client, 'docker.io/tool', [randomBytes(10)], { reference: 'one' })
  const answer = await mirror.client.send('GET', '/v2/docker.io/library/tool/manifests/one')
  t.equal(answer.headers['docker-content-digest'], pushed.digest)
})

t.test('repositories that allow and deny leave out are nobody’s mirror', async (t) => {
  const { client, gateway } = await startUpstream(t)
  for (const repo of ['team/app', 'team/secret', 'other/app']) {
    await pushLayers(client, repo, [randomBytes(10)], { reference: 'one' })
  }
  const mirror = await startMirror(t, [gateway], { upstream: { allow: ['team/**'], deny: ['**/secret'] } })
  const ask = async (repo: string) => (await mirror.client.send('GET', `/v2/${UP}/${repo}/manifests/one`)).status
  t.equal(await ask('team/app'), 200)
  t.equal(await ask('team/secret'), 404)
  t.equal(await ask('other/app'), 404)
  t.notOk(gateway.seen.some(({ url }) => /secret|other/.test(url)))
})

t.test('registry:2’s proxy takes names as they are, beside what is pushed here', async (t) => {
  const { client, gateway } = await startUpstream(t)
  const image = await pushLayers(client, 'team/app', [randomBytes(1000)], { reference: 'one' })
  const mirror = await startMirror(t, [], {
    config: { proxy: { remoteurl: gateway.origin } },
    mirror: { upstreams: [] },
  })
  const answer = await mirror.client.send('GET', '/v2/team/app/manifests/one')
  t.equal(answer.headers['docker-content-digest'], image.digest)
  await pushLayers(mirror.client, 'tool', [randomBytes(10)], { reference: 'one' })
  const { body } = await mirror.client.send('GET', '/v2/_catalog')
  t.ok((JSON.parse(body.toString()) as { repositories: string[] }).repositories.includes('tool'))
})

t.test('a repository without an upstream is asked for nowhere', async (t) => {
  const { gateway } = await startUpstream(t)
  const mirror = await startMirror(t, [gateway])
  t.equal((await mirror.client.send('GET', '/v2/team/app/manifests/one')).status, 404)
  t.equal(gateway.connections, 0)
})

t.test('a path and ?ns= at once mean what each of them means', async (t) => {
  const { client, gateway } = await startUpstream(t)
  const image = await pushLayers(client, 'team/app', [randomBytes(1000)], { reference: 'one' })
  const mirror = await startMirror(t, [gateway])
  const answer = await mirror.client.send('GET', `/v2/${UP}/team/app/manifests/one?ns=${UP}`)
  t.equal(answer.headers['docker-content-digest'], image.digest)
})

t.test('a mount from an image of one word at Docker Hub is from its library', async (t) => {
  const { gateway } = await startUpstream(t)
  const mirror = await startMirror(t, [gateway], { upstream: { host: 'docker.io' } })
  const layer = randomBytes(100)
  const { layers } = await pushLayers(mirror.client, 'docker.io/alpine', [layer], { reference: 'mine' })
  const path = `/v2/docker.io/team/app/blobs/uploads/?mount=${layers[0]}&from=docker.io%2Falpine`
  t.equal((await mirror.client.send('POST', path)).status, 201)
})
