import { randomBytes } from 'node:crypto'
import t from 'tap'
import { Lists } from '../../src/mirror/lists.ts'
import { parseRepositoryName } from '../../src/oci/name.ts'
import { hashOf } from '../helpers/digest.ts'
import { UP, pushIndex, pushLayers, startMirror, startUpstream, until } from '../helpers/mirror.ts'
import { makeContext, makeStore } from '../helpers/store.ts'

const NONE = { get: async () => Promise.reject(new Error('nobody asks for it')) }
const APP = `/v2/${UP}/team/app`

t.test('the tags of both sides are one list, in order, by pages too', async (t) => {
  const { client, gateway } = await startUpstream(t)
  for (const reference of ['a', 'c', 'both']) await pushLayers(client, 'team/app', [randomBytes(10)], { reference })
  const mirror = await startMirror(t, [gateway])
  for (const reference of ['b', 'both', 'z']) {
    await pushLayers(mirror.client, `${UP}/team/app`, [randomBytes(10)], { reference })
  }
  const whole = await mirror.client.send('GET', `${APP}/tags/list`)
  t.same(JSON.parse(whole.body.toString()), { name: `${UP}/team/app`, tags: ['a', 'b', 'both', 'c', 'z'] })
  const page = await mirror.client.send('GET', `${APP}/tags/list?n=2&last=a`)
  t.same(JSON.parse(page.body.toString()).tags, ['b', 'both'])
  t.match(page.headers['link'], /last=both.*rel="next"/)
})

t.test('offline the list is what is here', async (t) => {
  const { client, gateway } = await startUpstream(t)
  await pushLayers(client, 'team/app', [randomBytes(10)], { reference: 'theirs' })
  const mirror = await startMirror(t, [gateway])
  await pushLayers(mirror.client, `${UP}/team/app`, [randomBytes(10)], { reference: 'ours' })
  await gateway.down()
  const { body } = await mirror.client.send('GET', `${APP}/tags/list`)
  t.same(JSON.parse(body.toString()).tags, ['ours'])
})

t.test('a list is asked for again after a minute, and however many ask at once it is one question', async (t) => {
  const { client, gateway } = await startUpstream(t)
  await pushLayers(client, 'team/app', [randomBytes(10)], { reference: 'one' })
  const mirror = await startMirror(t, [gateway])
  await Promise.all(Array.from({ length: 5 }, () => mirror.client.send('GET', `${APP}/tags/list`)))
  t.equal(gateway.count('GET /v2/team/app/tags/list'), 1)
  mirror.turn(61_000)
  await mirror.client.send('GET', `${APP}/tags/list`)
  t.equal(gateway.count('GET /v2/team/app/tags/list'), 2)
})

t.test('a repository that neither side knows has no tags', async (t) => {
  const { gateway } = await startUpstream(t)
  const mirror = await startMirror(t, [gateway])
  const answer = await mirror.client.send('GET', `${APP}/tags/list`)
  t.equal(answer.status, 404)
  t.match(answer.body.toString(), /NAME_UNKNOWN/)
})

t.test('what refers to an image comes with it: referrers and the tags of cosign', async (t) => {
  const { client, gateway } = await startUpstream(t)
  const image = await pushLayers(client, 'team/app', [randomBytes(1000)], { reference: 'one' })
  const signature = await pushLayers(client, 'team/app', [randomBytes(100)], { subject: image })
  const counter = await pushLayers(client, 'team/app', [randomBytes(100)], { subject: signature })
  const cosign = image.digest.replace(':', '-')
  await pushLayers(client, 'team/app', [randomBytes(100)], { reference: `${cosign}.sig` })
  const mirror = await startMirror(t, [gateway])
  await mirror.client.send('GET', `${APP}/manifests/one`)
  await until('all of it is here', async () => {
    await new Promise((resolve) => setTimeout(resolve, 20))
    const { body } = await mirror.client.send('GET', '/v2/_catalog')
    if (!body.toString().includes(UP)) return false
    const tags = await mirror.client.send('GET', `${APP}/tags/list?n=100`)
    return gateway.count(`GET /v2/team/app/blobs/${counter.layers[0]}`) === 1 && tags.body.toString().includes('.sig')
  })
  await until('it is linked', async () => {
    await gateway.down().catch(() => undefined)
    const found = await Promise.all(
      [signature.digest, counter.digest, `${cosign}.sig`].map((reference) =>
        mirror.client.send('GET', `${APP}/manifests/${reference}`),
      ),
    )
    return found.every(({ status }) => status === 200)
  })
  const { body } = await mirror.client.send('GET', `${APP}/referrers/${image.digest}`)
  t.match(JSON.parse(body.toString()).manifests, [{ digest: signature.digest }])
})

t.test('referrers are asked for upstream when they are asked for here', async (t) => {
  const { client, gateway } = await startUpstream(t)
  const image = await pushLayers(client, 'team/app', [randomBytes(1000)], { reference: 'one' })
  const signature = await pushLayers(client, 'team/app', [randomBytes(100)], { subject: image })
  const mirror = await startMirror(t, [gateway], { upstream: { referrers: false } })
  const { body } = await mirror.client.send('GET', `${APP}/referrers/${image.digest}`)
  t.match(JSON.parse(body.toString()).manifests, [{ digest: signature.digest }])
})

t.test('an upstream that cannot tell who refers is no "nobody"', async (t) => {
  const { gateway } = await startUpstream(t)
  gateway.hook = (_, response) => (response.writeHead(500).end(), true)
  const mirror = await startMirror(t, [gateway])
  const answer = await mirror.client.send('GET', `${APP}/referrers/${hashOf('x')}`)
  t.equal(answer.status, 503)
})

t.test('a platform list fills those of an index and no others', async (t) => {
  const { client, gateway } = await startUpstream(t)
  const make = async (architecture: string) => pushLayers(client, 'team/app', [randomBytes(500)], { architecture })
  const [amd, arm, s390x] = [await make('amd64'), await make('arm64'), await make('s390x')]
  await pushIndex(client, 'team/app', { amd64: amd, arm64: arm, s390x }, 'one')
  const mirror = await startMirror(t, [gateway], { upstream: { platforms: ['linux/arm64', 'linux/s390x'] } })
  await mirror.client.send('HEAD', `${APP}/manifests/one`)
  await until('the tag is here', async () => {
    const { headers } = await mirror.client.send('HEAD', `${APP}/manifests/one`)
    return headers['age'] !== undefined
  })
  t.equal(gateway.count(`GET /v2/team/app/blobs/${arm.layers[0]}`), 1)
  t.equal(gateway.count(`GET /v2/team/app/blobs/${s390x.layers[0]}`), 1)
  t.equal(gateway.count(`GET /v2/team/app/blobs/${amd.layers[0]}`), 0)
})

t.test('a referrer that is gone upstream does not hide the others', async (t) => {
  const { client, gateway } = await startUpstream(t)
  const image = await pushLayers(client, 'team/app', [randomBytes(1000)], { reference: 'one' })
  const signature = await pushLayers(client, 'team/app', [randomBytes(100)], { subject: image })
  const gone = await pushLayers(client, 'team/app', [randomBytes(100)], { subject: image })
  gateway.hook = ({ url }, response) => (url.endsWith(gone.digest) ? (response.writeHead(404).end(), true) : undefined)
  const mirror = await startMirror(t, [gateway])
  const { body } = await mirror.client.send('GET', `${APP}/referrers/${image.digest}`)
  t.match(JSON.parse(body.toString()).manifests, [{ digest: signature.digest }])
})

t.test('a flood of names without tags is forgotten, not kept', async (t) => {
  const asked: string[] = []
  const listTags = async (name: string) => (asked.push(name), { tags: [], complete: true })
  const context = makeContext(makeStore(t.testdir({})))
  const clock = (): number => 0
  const signal = (): AbortSignal => new AbortController().signal
  const lists = new Lists({ context, clock, signal, mayAsk: () => true, fill: async () => undefined, manifests: NONE })
  const located = (name: string) => {
    const upstream = { client: { listTags }, freshFor: () => 60_000 }
    return { name: parseRepositoryName(`up/${name}`), repository: parseRepositoryName(name), upstream } as never
  }
  await lists.tags(located('first'), '')
  await lists.tags(located('first'), '')
  t.same(asked, ['first'])
  for (let number = 0; number < 10_000; number += 1) await lists.tags(located(`n${number}`), '')
  await lists.tags(located('first'), '')
  t.equal(asked.at(-1), 'first')
})
