import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import type { StartedMirror } from '../helpers/mirror.ts'
import { UP, pushIndex, pushLayers, startMirror, startUpstream, until } from '../helpers/mirror.ts'
import { DOCKER_LIST, DOCKER_MANIFEST, pushImage, pushManifest } from '../helpers/push.ts'

const APP = `/v2/${UP}/team/app`
const HOUR = 3_600_000

const hasTag = ({ data }: StartedMirror, tag: string): boolean =>
  existsSync(join(data, `docker/registry/v2/repositories/${UP}/team/app/_manifests/tags/${tag}/current/link`))

/** A mirror that has the image `one` whole. */
async function startFilled(t: Test, tag = 'one') {
  const { client, gateway } = await startUpstream(t)
  const image = await pushLayers(client, 'team/app', [randomBytes(1000)], { reference: tag })
  // Without referrers nothing is asked for after the tag is here.
  const mirror = await startMirror(t, [gateway], { upstream: { referrers: false } })
  await mirror.client.send('GET', `${APP}/manifests/${tag}`)
  await until('the image is whole', () => hasTag(mirror, tag))
  gateway.seen.length = 0
  return { client, gateway, mirror, image }
}

t.test('a tag within its class is answered without a request to the upstream', async (t) => {
  const { gateway, mirror } = await startFilled(t)
  mirror.turn(HOUR / 2)
  const answer = await mirror.client.send('GET', `${APP}/manifests/one`)
  t.equal(answer.status, 200)
  t.equal(answer.headers['warning'], undefined)
  t.ok(Number(answer.headers['age']) >= 1800)
  t.equal(gateway.seen.length, 0)
})

t.test('an old tag is answered at once and asked for behind the answer, by HEAD', async (t) => {
  const { gateway, mirror } = await startFilled(t)
  mirror.turn(2 * HOUR)
  const answer = await mirror.client.send('GET', `${APP}/manifests/one`)
  t.equal(answer.status, 200)
  t.match(answer.headers['warning'], /^110 /)
  await until('it was asked for', () => gateway.seen.length > 0)
  t.match(gateway.seen, [{ method: 'HEAD', url: '/v2/team/app/manifests/one' }])
  await until('it is fresh', async () => {
    const { headers } = await mirror.client.send('GET', `${APP}/manifests/one`)
    return headers['warning'] === undefined
  })
  t.equal(gateway.seen.length, 1)
})

t.test('latest is asked for again after a minute', async (t) => {
  const { gateway, mirror } = await startFilled(t, 'latest')
  mirror.turn(61_000)
  await mirror.client.send('GET', `${APP}/manifests/latest`)
  await until('it was asked for', () => gateway.seen.length > 0)
})

t.test('a tag that moved upstream moves here when its new image is whole', async (t) => {
  const { client, gateway, mirror, image } = await startFilled(t)
  const next = await pushLayers(client, 'team/app', [randomBytes(2000)], { reference: 'one' })
  const gate = Promise.withResolvers<void>()
  gateway.hold = ({ url }) => (url.endsWith(next.layers[0] ?? '-') ? { after: 10, until: gate.promise } : undefined)
  mirror.turn(2 * HOUR)
  await mirror.client.send('GET', `${APP}/manifests/one`)
  await until('the new layer is on its way', () => gateway.blobBytes() > 0)
  const meanwhile = await mirror.client.send('GET', `${APP}/manifests/one`)
  t.equal(meanwhile.headers['docker-content-digest'], image.digest)
  gate.resolve()
  await until('the tag moved', async () => {
    const { headers } = await mirror.client.send('HEAD', `${APP}/manifests/one`)
    return headers['docker-content-digest'] === next.digest
  })
})

t.test('an index that moved brings the platforms that were asked for of the one before', async (t) => {
  const { client, gateway } = await startUpstream(t)
  const make = async (architecture: string) => pushLayers(client, 'team/app', [randomBytes(500)], { architecture })
  const [amd, arm] = [await make('amd64'), await make('arm64')]
  await pushIndex(client, 'team/app', { amd64: amd, arm64: arm }, 'one')
  const mirror = await startMirror(t, [gateway])
  await mirror.client.send('GET', `${APP}/manifests/one`)
  await mirror.client.send('GET', `${APP}/manifests/${arm.digest}`)
  await until('the tag is here', () => hasTag(mirror, 'one'))
  const [nextAmd, nextArm] = [await make('amd64'), await make('arm64')]
  const next = await pushIndex(client, 'team/app', { amd64: nextAmd, arm64: nextArm }, 'one')
  mirror.turn(2 * HOUR)
  await until('the tag moved', async () => {
    const { headers } = await mirror.client.send('GET', `${APP}/manifests/one`)
    return headers['docker-content-digest'] === next.digest
  })
  t.equal(gateway.count(`GET /v2/team/app/blobs/${nextArm.layers[0]}`), 1)
  t.equal(gateway.count(`GET /v2/team/app/blobs/${nextAmd.layers[0]}`), 0)
})

for (const status of [401, 403, 404, 429, 500, 502, 503]) {
  t.test(`an upstream that answers ${status} hides nothing that is here`, async (t) => {
    const { gateway, mirror, image } = await startFilled(t)
    gateway.hook = (_, response) => (response.writeHead(status).end(), true)
    mirror.turn(2 * HOUR)
    for (let i = 0; i < 3; i += 1) {
      const answer = await mirror.client.send('GET', `${APP}/manifests/one`)
      t.equal(answer.headers['docker-content-digest'], image.digest)
      t.match(answer.headers['warning'], /^11[012] /)
      await until('the upstream said so', () => gateway.seen.length > 0)
    }
    t.equal((await mirror.client.send('GET', `${APP}/blobs/${image.layers[0]}`)).status, 200)
    t.ok(gateway.seen.length <= 2, 'it is left alone for a while')
  })
}

t.test('an upstream that is gone hides nothing that is here', async (t) => {
  const { gateway, mirror, image } = await startFilled(t)
  await gateway.down()
  mirror.turn(2 * HOUR)
  const answer = await mirror.client.send('GET', `${APP}/manifests/one`)
  t.equal(answer.headers['docker-content-digest'], image.digest)
  await until('that is told', async () => {
    const { headers } = await mirror.client.send('GET', `${APP}/manifests/one`)
    return /^11[12] /.test(String(headers['warning']))
  })
})

t.test('what is nowhere is asked for once in a while only', async (t) => {
  const { gateway } = await startUpstream(t)
  const mirror = await startMirror(t, [gateway])
  for (let i = 0; i < 5; i += 1) {
    const { status, body } = await mirror.client.send('GET', `${APP}/manifests/nothing`)
    t.equal(status, 404)
    t.match(body.toString(), /MANIFEST_UNKNOWN/)
  }
  t.equal(gateway.seen.length, 1)
})

t.test('offline there is only what is here, and no connection', async (t) => {
  const { client, gateway } = await startUpstream(t)
  await pushLayers(client, 'team/app', [randomBytes(1000)], { reference: 'one' })
  const mirror = await startMirror(t, [gateway], { mirror: { offline: true } })
  t.equal((await mirror.client.send('GET', `${APP}/manifests/one`)).status, 404)
  t.equal((await mirror.client.send('GET', `${APP}/tags/list`)).status, 404)
  t.equal(gateway.connections, 0)
})

t.test('a mirror starts with its upstream down and serves it when it comes', async (t) => {
  const { client, gateway } = await startUpstream(t)
  await pushLayers(client, 'team/app', [randomBytes(1000)], { reference: 'one' })
  await gateway.down()
  const mirror = await startMirror(t, [gateway])
  t.equal((await mirror.client.send('GET', `${APP}/manifests/one`)).status, 404)
  await gateway.up()
  await until('it is served', async () => (await mirror.client.send('GET', `${APP}/manifests/one`)).status === 200)
})

t.test('what was pushed under an upstream’s prefix is never asked for there and never overwritten', async (t) => {
  const { client, gateway } = await startUpstream(t)
  await pushLayers(client, 'team/app', [randomBytes(1000)], { reference: 'one' })
  const mirror = await startMirror(t, [gateway])
  const own = await pushLayers(mirror.client, `${UP}/team/app`, [randomBytes(10)], { reference: 'one' })
  gateway.seen.length = 0
  mirror.turn(48 * HOUR)
  for (let i = 0; i < 3; i += 1) {
    const answer = await mirror.client.send('GET', `${APP}/manifests/one`)
    t.equal(answer.headers['docker-content-digest'], own.digest)
    t.equal(answer.headers['warning'], undefined)
  }
  t.equal(gateway.seen.length, 0)
})

t.test('a tag that is pushed while its image is being fetched stays the one that was pushed', async (t) => {
  const { client, gateway } = await startUpstream(t)
  const image = await pushLayers(client, 'team/app', [randomBytes(1000)], { reference: 'one' })
  const gate = Promise.withResolvers<void>()
  gateway.hold = ({ url }) => (url.endsWith(image.layers[0] ?? '-') ? { after: 10, until: gate.promise } : undefined)
  const mirror = await startMirror(t, [gateway])
  await mirror.client.send('GET', `${APP}/manifests/one`)
  const own = await pushLayers(mirror.client, `${UP}/team/app`, [randomBytes(10)], { reference: 'one' })
  gate.resolve()
  await until('the image is here by its digest', async () => {
    await gateway.down().catch(() => undefined)
    return (await mirror.client.send('GET', `${APP}/manifests/${image.digest}`)).status === 200
  })
  const { headers } = await mirror.client.send('GET', `${APP}/manifests/one`)
  t.equal(headers['docker-content-digest'], own.digest)
})

t.test('a docker client from before lists gets the linux/amd64 image of a list', async (t) => {
  const { client, gateway } = await startUpstream(t)
  const image = await pushImage(client, 'team/app', 'x', { docker: true })
  const list = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: DOCKER_LIST,
      manifests: [
        {
          mediaType: DOCKER_MANIFEST,
          digest: image.digest,
          size: image.body.length,
          platform: { os: 'linux', architecture: 'amd64' },
        },
      ],
    }),
  )
  await pushManifest(client, 'team/app', DOCKER_LIST, list, 'one')
  const mirror = await startMirror(t, [gateway])
  const answer = await mirror.client.send('GET', `${APP}/manifests/one`, { headers: { accept: DOCKER_MANIFEST } })
  t.equal(answer.headers['docker-content-digest'], image.digest)
})

t.test('a HEAD that the upstream answered brings the image here', async (t) => {
  const { client, gateway } = await startUpstream(t)
  await pushLayers(client, 'team/app', [randomBytes(1000)], { reference: 'one' })
  const mirror = await startMirror(t, [gateway])
  t.equal((await mirror.client.send('HEAD', `${APP}/manifests/one`)).status, 200)
  await until('the image is whole', () => hasTag(mirror, 'one'))
})

t.test(
  'an upstream that asks to be left alone is told so to every client, and a clock set back does not prolong it',
  async (t) => {
    const { client, gateway } = await startUpstream(t)
    await pushLayers(client, 'team/app', [randomBytes(10)], { reference: 'one' })
    gateway.hook = (_, response) => (response.writeHead(429, { 'retry-after': '60' }).end(), true)
    const mirror = await startMirror(t, [gateway])
    for (let i = 0; i < 2; i += 1) {
      const { status, headers } = await mirror.client.send('GET', `${APP}/manifests/one`)
      t.equal(status, 429)
      t.ok(Number(headers['retry-after']) > 50)
    }
    t.equal(gateway.seen.length, 1)
    gateway.hook = undefined
    mirror.turn(-24 * HOUR)
    t.equal((await mirror.client.send('GET', `${APP}/manifests/one`)).status, 200)
  },
)
