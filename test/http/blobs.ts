import { writeFileSync } from 'node:fs'
import t from 'tap'
import type { Test } from 'tap'
import { digestOf } from '../../src/oci/digest.ts'
import { parseRepositoryName } from '../../src/oci/name.ts'
import { createLayout } from '../../src/storage/layout.ts'
import type { Sending } from '../helpers/client.ts'
import { openClient } from '../helpers/client.ts'
import { plantFile } from '../helpers/plant.ts'
import { pushBlob } from '../helpers/push.ts'
import { startTarn } from '../helpers/server.ts'

const NAME = parseRepositoryName('team/a')
const BYTES = Buffer.from('0123456789')
const PATH = `/v2/${NAME}/blobs/${digestOf(BYTES)}`

async function serve(t: Test) {
  const { url, data } = await startTarn(t)
  const client = openClient({ url })
  t.teardown(() => client.close())
  const get = (headers: Record<string, string>, sending: Sending = {}) =>
    client.send('GET', PATH, { ...sending, headers })
  return { client, get, layout: createLayout(data) }
}

t.test('one range is 206 with its bytes and where they lie', async (t) => {
  const { client, get } = await serve(t)
  await pushBlob(client, NAME, BYTES)
  const { status, headers, body } = await get({ range: 'bytes=2-5' })
  t.same(
    [status, body.toString(), headers['content-range'], headers['content-length']],
    [206, '2345', 'bytes 2-5/10', '4'],
  )
  t.equal(headers['content-type'], 'application/octet-stream')
  t.equal(headers['docker-content-digest'], digestOf(BYTES))
})

t.test('several ranges are one multipart body whose length is announced', async (t) => {
  const { client, get } = await serve(t)
  await pushBlob(client, NAME, BYTES)
  const { status, headers, body } = await get({ range: 'bytes=0-1,-3' })
  t.equal(status, 206)
  t.equal(headers['content-range'], undefined)
  const boundary = /^multipart\/byteranges; boundary=([0-9a-f]{32})$/.exec(String(headers['content-type']))?.[1]
  const part = (range: string, text: string): string =>
    `\r\n--${boundary}\r\nContent-Type: application/octet-stream\r\nContent-Range: bytes ${range}/10\r\n\r\n${text}`
  t.equal(body.toString(), `${part('0-1', '01')}${part('7-9', '789')}\r\n--${boundary}--\r\n`)
  t.equal(headers['content-length'], String(body.length))
})

t.test('a range behind the end is 416 and says how long the blob is', async (t) => {
  const { client, get } = await serve(t)
  await pushBlob(client, NAME, BYTES)
  const { status, headers } = await get({ range: 'bytes=10-' })
  t.same([status, headers['content-range']], [416, 'bytes */10'])
})

t.test('an empty blob comes whole to a client that asks for every blob in parts', async (t) => {
  const { client } = await serve(t)
  const digest = await pushBlob(client, NAME, Buffer.alloc(0))
  for (const range of ['bytes=0-', 'bytes=0-99']) {
    const { status, headers } = await client.send('GET', `/v2/${NAME}/blobs/${digest}`, { headers: { range } })
    t.same([status, headers['content-length']], [200, '0'])
  }
})

t.test('If-Range with this digest takes the range, with another the whole', async (t) => {
  const { client, get } = await serve(t)
  await pushBlob(client, NAME, BYTES)
  t.equal((await get({ range: 'bytes=0-0', 'if-range': `"${digestOf(BYTES)}"` })).status, 206)
  t.equal((await get({ range: 'bytes=0-0', 'if-range': '"other"' })).status, 200)
  t.equal((await get({ range: 'bytes=0-0', 'if-range': 'Mon, 23 Nov 2026 00:00:00 GMT' })).status, 200)
})

t.test('what the client has already is 304, before any range', async (t) => {
  const { client, get } = await serve(t)
  await pushBlob(client, NAME, BYTES)
  const answer = await get({ 'if-none-match': `"${digestOf(BYTES)}"`, range: 'bytes=0-1' })
  t.same([answer.status, answer.body.length], [304, 0])
})

t.test('a large blob that proves wrong while it is sent ends with a cut, and is 404 from then on', async (t) => {
  const { client, layout } = await serve(t)
  const bytes = Buffer.alloc(6 * 1024 * 1024, 'tarn')
  const digest = digestOf(bytes)
  const wrong = Buffer.from(bytes)
  wrong[5] = 0
  plantFile(layout.layerLink(NAME, digest), digest)
  writeFileSync(plantFile(layout.blobData(digest), ''), wrong)
  await t.rejects(client.send('GET', `/v2/${NAME}/blobs/${digest}`), { code: 'ECONNRESET' })
  t.equal((await client.send('HEAD', `/v2/${NAME}/blobs/${digest}`)).status, 404)
  // A verdict on a file that changed within the last 50 ms is not kept: it is cut again until then.
  const get = () => client.send('GET', `/v2/${NAME}/blobs/${digest}`).catch(() => undefined)
  let answer = await get()
  while (answer === undefined) answer = await get()
  t.equal(answer.status, 404)
  await pushBlob(client, NAME, bytes)
  t.ok((await client.send('GET', `/v2/${NAME}/blobs/${digest}`)).body.equals(bytes), 'a push heals it')
})
