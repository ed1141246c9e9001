// What a mirror that starts takes up of an earlier life, and what it must not.
import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { openClient } from '../helpers/client.ts'
import { hashOf } from '../helpers/digest.ts'
import { UP, pushIndex, pushLayers, startMirror, startUpstream, until } from '../helpers/mirror.ts'

const APP = `/v2/${UP}/team/app`
const HOUR = 3_600_000
const tagOf = (data: string, tag: string): string =>
  join(data, `docker/registry/v2/repositories/${UP}/team/app/_manifests/tags/${tag}/current/link`)
const fillsOf = (data: string): string[] => readdirSync(join(data, '.tarn/tmp/mirror/fills'))

t.test('a restart moves no tag back to an image whose signatures were still missing', async (t) => {
  const { client, gateway } = await startUpstream(t)
  const old = await pushLayers(client, 'team/app', [randomBytes(1000)], { reference: 'one' })
  gateway.hook = ({ url }, response) =>
    url.includes(`/referrers/${old.digest}`) ? (response.writeHead(500).end(), true) : undefined
  const mirror = await startMirror(t, [gateway])
  await mirror.client.send('GET', `${APP}/manifests/one`)
  await until('it is linked', () => existsSync(tagOf(mirror.data, 'one')))
  const next = await pushLayers(client, 'team/app', [randomBytes(1000)], { reference: 'one' })
  mirror.turn(2 * HOUR)
  await mirror.client.send('GET', `${APP}/manifests/one`)
  await until('it moved', () => readFileSync(tagOf(mirror.data, 'one'), 'utf8') === next.digest)
  await until('only the old record is left', () => fillsOf(mirror.data).length === 1)
  await mirror.close()
  gateway.hook = undefined
  await startMirror(t, [gateway], { directory: mirror.directory })
  await until('nothing is left to do', () => fillsOf(mirror.data).length === 0)
  t.equal(readFileSync(tagOf(mirror.data, 'one'), 'utf8'), next.digest)
})

t.test('the age of a tag counts from what the upstream said, not from when the image was whole', async (t) => {
  const { client, gateway } = await startUpstream(t)
  const child = await pushLayers(client, 'team/app', [randomBytes(1000)])
  await pushIndex(client, 'team/app', { amd64: child }, 'latest')
  const mirror = await startMirror(t, [gateway], { upstream: { referrers: false } })
  await mirror.client.send('HEAD', `${APP}/manifests/latest`)
  mirror.turn(10 * HOUR)
  await mirror.client.send('GET', `${APP}/manifests/${child.digest}`)
  await until('it is linked', () => existsSync(tagOf(mirror.data, 'latest')))
  const { headers } = await mirror.client.send('GET', `${APP}/manifests/latest`)
  t.ok(Number(headers['age']) >= 36_000)
})

t.test('a record that was never finished is none', async (t) => {
  const { gateway } = await startUpstream(t)
  const first = await startMirror(t, [gateway])
  await first.close()
  mkdirSync(join(first.data, '.tarn/tmp/mirror/fills'), { recursive: true })
  writeFileSync(join(first.data, '.tarn/tmp/mirror/fills', 'x.json.tmp'), '{}')
  await startMirror(t, [gateway], { directory: first.directory })
  await until('it is gone', () => fillsOf(first.data).length === 0)
})

t.test('closing does not wait for an upstream that says nothing', async (t) => {
  const { client, gateway } = await startUpstream(t)
  await pushLayers(client, 'team/app', [randomBytes(1000)], { reference: 'one' })
  const mirror = await startMirror(t, [gateway], { upstream: { referrers: false } })
  await mirror.client.send('GET', `${APP}/manifests/one`)
  await until('it is linked', () => existsSync(tagOf(mirror.data, 'one')))
  gateway.hook = ({ method }) => method === 'HEAD'
  mirror.turn(3 * HOUR)
  await mirror.client.send('GET', `${APP}/manifests/one`)
  await until('it is asked', () => gateway.count('HEAD ') > 0)
  // The upstream never answers: if this waited for it the test would end by its timeout.
  await mirror.close()
  t.pass()
})

t.test('closing ends those who wait for blobs, also for their turn', async (t) => {
  const { gateway } = await startUpstream(t)
  gateway.hook = () => true
  const mirror = await startMirror(t, [gateway])
  const asked = Array.from({ length: 50 }, (_, index) => {
    const client = openClient({ url: mirror.url })
    const end = client.send('GET', `${APP}/blobs/${hashOf(String(index))}`).then(
      ({ status }) => status,
      () => 'cut',
    )
    return end.finally(() => client.close())
  })
  await until('some are asked for', () => gateway.seen.length >= 8)
  const closed = mirror.close()
  for (const end of await Promise.all(asked)) t.not(end, 200)
  await closed
})
