// What is refused for lack of room, before a byte of its body is read, and what goes on. The marks stand in for a full
// disk here; real ones are filled in test/e2e/room.
import type { Test } from 'tap'
import t from 'tap'
import { locationOf, openClient } from '../helpers/client.ts'
import { hashOf } from '../helpers/digest.ts'
import { pushBlob, pushImage } from '../helpers/push.ts'
import { exchange, valuesOf, writeRequest } from '../helpers/raw-socket.ts'
import { makeDirectory, startTarn } from '../helpers/server.ts'

const DELETES = { storage: { delete: { enabled: true } } }
const FULL = { ...DELETES, limits: { room: { warn: '100%', stop: '100%' } } }
const HUGE = 2 ** 52
const ASKS = ['Expect: 100-continue', `Content-Length: ${HUGE}`]

/** A directory with an image, a blob and an upload that waits, served with no room left. */
async function serveFull(t: Test) {
  const directory = makeDirectory(t)
  const before = await startTarn(t, DELETES, directory)
  const client = openClient(before)
  const blob = await pushBlob(client, 'a', Buffer.from('blob'))
  const image = await pushImage(client, 'a', 'kept', { reference: 'v1' })
  const upload = locationOf(await client.send('POST', '/v2/a/blobs/uploads/'))
  await client.send('PATCH', upload, { body: 'half' })
  client.close()
  await before.close()
  const tarn = await startTarn(t, FULL, directory)
  const open = openClient(tarn)
  t.teardown(() => open.close())
  return { ...tarn, client: open, blob, image, upload }
}

t.test('no new upload is begun, and its body is not asked for', async (t) => {
  const { port } = await serveFull(t)
  const digest = hashOf('x')
  for (const path of [
    '/v2/a/blobs/uploads/',
    `/v2/a/blobs/uploads/?digest=${digest}`,
    `/v2/a/blobs/uploads/?mount=${digest}&from=b`,
  ]) {
    const body = writeRequest('POST', path, ['Expect: 100-continue', 'Content-Length: 5'])
    const { answers } = await exchange(port, body, { answers: 1 })
    t.match(answers, [{ status: 503 }], path)
    t.match(JSON.parse(answers[0]?.body.toString() ?? ''), { errors: [{ code: 'UNAVAILABLE' }] })
    t.same(answers[0] && valuesOf(answers[0], 'retry-after'), ['60'])
  }
})

t.test('pulls, deletions, mounts and what was begun go on', async (t) => {
  const { client, blob, image, upload } = await serveFull(t)
  const status = async (method: string, path: string, body?: string) =>
    (await client.send(method, path, body === undefined ? {} : { body })).status
  t.equal(await status('GET', `/v2/a/blobs/${blob}`), 200)
  t.equal(await status('HEAD', `/v2/a/blobs/${blob}`), 200)
  t.equal(await status('GET', '/v2/a/manifests/v1'), 200)
  t.equal(await status('POST', `/v2/b/blobs/uploads/?mount=${blob}&from=a`), 201)
  t.equal((await client.send('GET', upload)).headers['range'], '0-3')
  t.equal(await status('PATCH', upload, ' more'), 202)
  t.equal(await status('PUT', `${upload}?digest=${hashOf('half more')}`), 201)
  t.equal(
    await client
      .send('PUT', '/v2/a/manifests/v2', { headers: { 'content-type': image.mediaType }, body: image.body })
      .then((answer) => answer.status),
    201,
  )
  t.equal(await status('DELETE', '/v2/a/manifests/v2'), 202)
  t.equal(await status('DELETE', `/v2/a/manifests/${image.digest}`), 202)
  t.equal(await status('DELETE', `/v2/a/blobs/${blob}`), 202)
})

t.test('what does not fit is refused before its body, whatever it is', async (t) => {
  const { port, url } = await startTarn(t)
  const client = openClient({ url })
  t.teardown(() => client.close())
  const upload = locationOf(await client.send('POST', '/v2/a/blobs/uploads/'))
  const digest = hashOf('x')
  for (const [method, path] of [
    ['PATCH', upload],
    ['PUT', `${upload}?digest=${digest}`],
    ['POST', `/v2/a/blobs/uploads/?digest=${digest}`],
  ] as const) {
    const { answers } = await exchange(port, writeRequest(method, path, ASKS), { answers: 1 })
    t.match(answers, [{ status: 503 }], method)
  }
  t.equal((await client.send('PATCH', upload, { body: 'x' })).status, 202, 'the upload is unharmed')
})

t.test('an upload goes on in the next life of the server', async (t) => {
  const directory = makeDirectory(t)
  const before = await startTarn(t, {}, directory)
  const first = openClient(before)
  const upload = locationOf(await first.send('POST', '/v2/a/blobs/uploads/'))
  await first.send('PATCH', upload, { body: 'hello ' })
  first.close()
  await before.close()
  const client = openClient(await startTarn(t, {}, directory))
  t.teardown(() => client.close())
  t.match(await client.send('GET', upload), { status: 204, headers: { range: '0-5' } })
  const patched = await client.send('PATCH', upload, { headers: { 'content-range': '6-10' }, body: 'world' })
  t.match(patched, { status: 202, headers: { range: '0-10' } })
  t.equal((await client.send('PUT', `${upload}?digest=${hashOf('hello world')}`)).status, 201)
  t.equal((await client.send('GET', `/v2/a/blobs/${hashOf('hello world')}`)).body.toString(), 'hello world')
})

t.test('too many uploads that wait are 429, and a body is not asked for', async (t) => {
  const { port, url } = await startTarn(t, { limits: { uploads: { perUser: 3 } } })
  const client = openClient({ url })
  t.teardown(() => client.close())
  const begin = () => client.send('POST', '/v2/a/blobs/uploads/')
  const [first] = [await begin(), await begin(), await begin()]
  t.match(await begin(), { status: 429, headers: { 'retry-after': '60' }, body: /TOOMANYREQUESTS/ })
  const single = writeRequest('POST', `/v2/a/blobs/uploads/?digest=${hashOf('x')}`, ['Expect: 100-continue'], 'x')
  t.match((await exchange(port, single, { answers: 1 })).answers, [{ status: 429 }])
  await client.send('DELETE', locationOf(first))
  t.equal((await begin()).status, 202)
})

t.test('a mirror of 190 images by eight writers never meets the limit of uploads', async (t) => {
  const { url } = await startTarn(t, { limits: { uploads: { perUser: 8, total: 8 } } })
  const statuses = new Set<number>()
  const images = Array.from({ length: 190 }, (_, index) => index).values()
  await Promise.all(
    Array.from({ length: 8 }, async () => {
      const client = openClient({ url })
      for (const index of images) {
        const bytes = Buffer.from(`layer ${index}`)
        const upload = await client.send('POST', `/v2/ocp4/c${index}/blobs/uploads/`)
        const sent = await client.send('PATCH', locationOf(upload), { chunks: [bytes] })
        const put = await client.send('PUT', `${locationOf(sent)}?digest=${hashOf(bytes)}`)
        for (const { status } of [upload, sent, put]) statuses.add(status)
      }
      client.close()
    }),
  )
  t.same(statuses, new Set([202, 201]))
})
