import { randomBytes } from 'node:crypto'
import t from 'tap'
import { describeMirrorNotes } from '../../src/http/mirror-facts.ts'
import { UP, pushLayers, startMirror, startUpstream, until } from '../helpers/mirror.ts'
import { CLOSED, OPEN, factsOf, upstreamOf } from '../helpers/mirror-facts.ts'

const notesOf = (...args: Parameters<typeof factsOf>): string[] => describeMirrorNotes(factsOf(...args))

t.test('a mirror whose upstreams answer says nothing, nor one without upstreams', async (t) => {
  t.same(notesOf(), [])
  t.same(notesOf({ upstreams: [upstreamOf('quay.io', [CLOSED])] }), [])
})

t.test('upstreams that are not verified and such that do not answer are counted, and not named', async (t) => {
  const upstreams = [
    upstreamOf('a.corp', [CLOSED], true),
    upstreamOf('b.corp', [OPEN, OPEN]),
    upstreamOf('c.corp', [OPEN], true),
  ]
  t.same(notesOf({ upstreams }), [
    'mirror: 2 of 3 upstreams are reached without verification',
    'mirror: 2 of 3 upstreams do not answer',
  ])
  t.same(notesOf({ upstreams: upstreams.slice(0, 2) }), [
    'mirror: 1 of 2 upstreams is reached without verification',
    'mirror: 1 of 2 upstreams does not answer',
  ])
})

t.test('an upstream of which one address answers is no note', async (t) => {
  t.same(notesOf({ upstreams: [upstreamOf('quay.io', [OPEN, CLOSED])] }), [])
})

t.test('offline is said instead of all else', async (t) => {
  t.same(notesOf({ offline: true, upstreams: [upstreamOf('a.corp', [OPEN], true)] }), [
    'mirror: offline, nothing is fetched',
  ])
})

t.test('a mirror that runs tells of itself in /readyz and /metrics', async (t) => {
  const { client, gateway } = await startUpstream(t)
  const image = await pushLayers(client, 'team/app', [randomBytes(5000)], { reference: 'one' })
  const mirror = await startMirror(t, [gateway])
  const path = `/v2/${UP}/team/app`
  const text = async (url: string): Promise<string> => String((await mirror.client.send('GET', url)).body)

  t.equal((await mirror.client.send('GET', `${path}/manifests/one`)).status, 200)
  await until('the image is whole', async () =>
    (await text('/metrics')).includes('_images_total{result="complete"} 1\n'),
  )
  t.equal((await mirror.client.send('GET', `${path}/blobs/${image.config}`)).status, 200)
  const metrics = await text('/metrics')
  t.match(metrics, '\ntarn_mirror_transfers_total{result="complete"} 2\n')
  t.match(metrics, /\nregistry_proxy_misses_total\{type="manifest"\} [1-9]/)
  t.match(metrics, /\nregistry_proxy_hits_total\{type="blob"\} [1-9]/)
  t.match(metrics, `\ntarn_mirror_addresses_open{upstream="${UP}",path="${UP}"} 0\n`)
  t.match(metrics, '\ntarn_mirror_transfers_in_flight 0\n')
  const ready = await mirror.client.send('GET', '/readyz')
  t.equal(ready.status, 200)
  t.match(String(ready.body), /^ok\n/)
  t.match(String(ready.body), '\nmirror: 1 of 1 upstreams is reached without verification\n')

  await gateway.down()
  for (const tag of ['a', 'b', 'c']) await mirror.client.send('GET', `${path}/manifests/${tag}`)
  const away = await mirror.client.send('GET', '/readyz')
  t.equal(away.status, 200, 'what is here can be pulled')
  t.match(String(away.body), '\nmirror: 1 of 1 upstreams does not answer\n')
  t.notMatch(String(away.body), UP)
  t.match(await text('/metrics'), `\ntarn_mirror_addresses_open{upstream="${UP}",path="${UP}"} 1\n`)
})
