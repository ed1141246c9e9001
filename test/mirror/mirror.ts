import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { hashOf } from '../helpers/digest.ts'
import { UP, pushIndex, pushLayers, startMirror, startUpstream, until } from '../helpers/mirror.ts'

const tagLink = (data: string, repo: string, tag: string): string =>
  join(data, `docker/registry/v2/repositories/${repo}/_manifests/tags/${tag}/current/link`)

t.test('a manifest that is not here comes from the upstream, byte for byte', async (t) => {
  const { client, gateway } = await startUpstream(t)
  const image = await pushLayers(client, 'team/app', [randomBytes(1000)], { reference: 'one' })
  const mirror = await startMirror(t, [gateway])
  const answer = await mirror.client.send('GET', `/v2/${UP}/team/app/manifests/one`)
  t.equal(answer.status, 200)
  t.ok(answer.body.equals(image.body))
  t.equal(answer.headers['docker-content-digest'], image.digest)
  t.equal(answer.headers['content-type'], image.mediaType)
})

t.test('a blob comes from the upstream and is read there once however many ask', async (t) => {
  const { client, gateway } = await startUpstream(t)
  const layer = randomBytes(3_000_000)
  const image = await pushLayers(client, 'team/app', [layer], { reference: 'one' })
  const mirror = await startMirror(t, [gateway])
  await mirror.client.send('GET', `/v2/${UP}/team/app/manifests/one`)
  const answers = await Promise.all(
    Array.from({ length: 20 }, () => mirror.client.send('GET', `/v2/${UP}/team/app/blobs/${image.layers[0]}`)),
  )
  for (const { status, body } of answers) {
    t.equal(status, 200)
    t.equal(hashOf(body), image.layers[0])
  }
  t.equal(gateway.count(`GET /v2/team/app/blobs/${image.layers[0]}`), 1)
})

t.test('an image is completed behind its client, and pulled whole when the upstream is gone', async (t) => {
  const { client, gateway } = await startUpstream(t)
  const image = await pushLayers(client, 'team/app', [randomBytes(200_000), randomBytes(10)], { reference: 'one' })
  const mirror = await startMirror(t, [gateway])
  await mirror.client.send('GET', `/v2/${UP}/team/app/manifests/one`)
  await until('the tag is here', () => existsSync(tagLink(mirror.data, `${UP}/team/app`, 'one')))
  await gateway.down()
  t.equal((await mirror.client.send('GET', `/v2/${UP}/team/app/manifests/one`)).status, 200)
  for (const digest of [image.config, ...image.layers]) {
    const blob = await mirror.client.send('GET', `/v2/${UP}/team/app/blobs/${digest}`)
    t.equal(hashOf(blob.body), digest)
  }
})

t.test('until an image is whole it has neither revision nor tag', async (t) => {
  const { client, gateway } = await startUpstream(t)
  const image = await pushLayers(client, 'team/app', [randomBytes(500_000)], { reference: 'one' })
  const gate = Promise.withResolvers<void>()
  gateway.hold = ({ url }) => (url.endsWith(image.layers[0] ?? '-') ? { after: 1000, until: gate.promise } : undefined)
  const mirror = await startMirror(t, [gateway])
  await mirror.client.send('GET', `/v2/${UP}/team/app/manifests/one`)
  await until('the layer is on its way', () => gateway.blobBytes() >= 1000)
  t.notOk(existsSync(tagLink(mirror.data, `${UP}/team/app`, 'one')))
  t.equal((await mirror.client.send('GET', `/v2/${UP}/team/app/manifests/one`)).status, 200)
  gate.resolve()
  await until('the tag is here', () => existsSync(tagLink(mirror.data, `${UP}/team/app`, 'one')))
})

t.test('of an index only the platform that a client asked for is filled', async (t) => {
  const { client, gateway } = await startUpstream(t)
  const amd = await pushLayers(client, 'team/app', [randomBytes(1000)])
  const arm = await pushLayers(client, 'team/app', [randomBytes(1000)], { architecture: 'arm64' })
  const index = await pushIndex(client, 'team/app', { amd64: amd, arm64: arm }, 'multi')
  const mirror = await startMirror(t, [gateway])
  const answer = await mirror.client.send('GET', `/v2/${UP}/team/app/manifests/multi`)
  t.ok(answer.body.equals(index.body))
  await mirror.client.send('GET', `/v2/${UP}/team/app/manifests/${arm.digest}`)
  await until('the tag is here', () => existsSync(tagLink(mirror.data, `${UP}/team/app`, 'multi')))
  t.equal(gateway.count(`GET /v2/team/app/blobs/${arm.layers[0]}`), 1)
  t.equal(gateway.count(`GET /v2/team/app/blobs/${amd.layers[0]}`), 0)
  await gateway.down()
  t.equal((await mirror.client.send('GET', `/v2/${UP}/team/app/manifests/multi`)).status, 200)
  t.equal((await mirror.client.send('GET', `/v2/${UP}/team/app/manifests/${arm.digest}`)).status, 200)
  await until('the other platform is offline', async () => {
    const { status } = await mirror.client.send('GET', `/v2/${UP}/team/app/manifests/${amd.digest}`)
    return status === 404
  })
})
