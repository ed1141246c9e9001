// Several requests at once on one connection: each answer must come whole, in order, and with nothing of
// another inside it, whichever of the requests is broken or asks to be told to go on.
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { connect } from 'node:net'
import type { Test } from 'tap'
import t from 'tap'
import { headerOf, openClient } from '../helpers/client.ts'
import { hashOf } from '../helpers/digest.ts'
import { pushBlob } from '../helpers/push.ts'
import { exchange, valuesOf } from '../helpers/raw-socket.ts'
import type { StartedTarn } from '../helpers/server.ts'
import { startTarn } from '../helpers/server.ts'

const MIB = 1024 * 1024

/** A push that is answered only after a megabyte was hashed and synced to the disk: what follows overtakes it. */
function writeSlowPush(): Buffer {
  const body = randomBytes(MIB)
  const path = `/v2/a/blobs/uploads/?digest=${hashOf(body)}`
  return Buffer.concat([Buffer.from(`POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Length: ${MIB}\r\n\r\n`), body])
}

const write = (text: string): Buffer => Buffer.from(text.replaceAll('\n', '\r\n'), 'latin1')

async function serve(t: Pick<Test, 'teardown'>): Promise<StartedTarn> {
  return startTarn(t, { storage: { delete: { enabled: true } } })
}

t.test('100 Continue for a later request does not get into an earlier or its own answer', async (t) => {
  const tarn = await serve(t)
  const expecting = [
    [
      'a manifest that is no JSON',
      'PUT /v2/a/manifests/x HTTP/1.1\nHost: x\nContent-Type: application/json\nExpect: 100-continue\nContent-Length: 4\n\nnope',
      400,
    ],
    [
      'an upload that is unknown',
      'PATCH /v2/a/blobs/uploads/12345678-1234-4234-8234-123456789abc HTTP/1.1\nHost: x\nExpect: 100-continue\nContent-Length: 4\n\nnope',
      404,
    ],
    [
      'a blob that is not its digest',
      `POST /v2/a/blobs/uploads/?digest=${hashOf('x')} HTTP/1.1\nHost: x\nExpect: 100-continue\nContent-Length: 4\n\nnope`,
      400,
    ],
    [
      'an index that is fine',
      `PUT /v2/a/manifests/x HTTP/1.1\nHost: x\nContent-Type: application/vnd.oci.image.index.v1+json\nExpect: 100-continue\nContent-Length: 34\n\n{"schemaVersion":2,"manifests":[]}`,
      201,
    ],
  ] as const
  for (const [name, text, status] of expecting) {
    const after = write('GET /v2/_catalog HTTP/1.1\nHost: x\n\n')
    const { answers } = await exchange(tarn.port, Buffer.concat([writeSlowPush(), write(text), after]), { answers: 3 })
    const statuses = answers.map((answer) => answer.status)
    // A server that refused without reading the body may close instead of taking what follows.
    const wanted = [201, status, 200].slice(0, status < 400 ? 3 : Math.max(2, statuses.length))
    t.same(statuses, wanted, name)
  }
})

t.test('a broken request behind a slow one waits for its turn or ends the connection', async (t) => {
  const tarn = await serve(t)
  for (const garbage of [
    '\u0001\u0002\n\n',
    'GET /v2/ HTTP/1.1\nHost: x\nX\n\n',
    'POST /v2/ HTTP/1.1\nHost: x\nContent-Length: 1\nContent-Length: 2\n\n',
  ]) {
    const { answers, closed } = await exchange(tarn.port, Buffer.concat([writeSlowPush(), write(garbage)]), {
      patience: 1000,
    })
    t.ok(closed, 'the connection is closed')
    t.ok(answers.length <= 2)
    const [first, second] = answers.map(({ status }) => status)
    t.ok(first === undefined || first === 201, `the first answer is to the first request: ${first}`)
    t.ok(second === undefined || second === 400, `the second to the second: ${second}`)
  }
})

t.test('a broken request behind a large blob puts nothing into the blob', async (t) => {
  const tarn = await serve(t)
  const client = openClient(tarn)
  const bytes = randomBytes(16 * MIB)
  const digest = await pushBlob(client, 'a', bytes)
  client.close()
  for (const garbage of ['\u0001\u0002\n\n', 'NOPE\n\n', 'GET /v2/ HTTP/1.1\nHost: x\nX\n\n']) {
    const request = Buffer.concat([write(`GET /v2/a/blobs/${digest} HTTP/1.1\nHost: x\n\n`), write(garbage)])
    const outcome = await exchange(tarn.port, request, { patience: 3000 }).catch((error: unknown) => error as Error)
    if (outcome instanceof Error) {
      // Cut short, so no client takes it for the blob.
      t.match(outcome.message, /no whole answer/)
      continue
    }
    const [first] = outcome.answers
    t.ok(first === undefined || first.status !== 200 || first.body.equals(bytes), 'the blob is the blob')
  }
})

t.test('a hundred requests come back in order', async (t) => {
  const tarn = await serve(t)
  const requests = Array.from({ length: 100 }, (_, at) => write(`GET /v2/a/manifests/t${at} HTTP/1.1\nHost: x\n\n`))
  const { answers } = await exchange(tarn.port, Buffer.concat(requests), { answers: 100 })
  for (const [at, answer] of answers.entries()) {
    const { errors } = JSON.parse(answer.body.toString()) as { errors: { detail: { Tag: string } }[] }
    t.equal(errors[0]?.detail.Tag, `t${at}`)
    t.equal(valuesOf(answer, 'content-length').length, 1)
  }
})

t.test('an upload whose request was sent ahead on a connection that was reset is not locked', async (t) => {
  const tarn = await serve(t)
  const client = openClient(tarn)
  t.teardown(() => client.close())
  const begun = await client.send('POST', '/v2/a/blobs/uploads/')
  const location = headerOf(begun, 'location')
  const other = await client.send('POST', '/v2/a/blobs/uploads/')
  const slow = headerOf(other, 'location')
  const socket = connect(tarn.port, '127.0.0.1')
  socket.on('error', () => undefined)
  socket.write(
    write(
      `PATCH ${slow} HTTP/1.1\nHost: x\nContent-Length: 5\n\nhello` +
        `PATCH ${location} HTTP/1.1\nHost: x\nExpect: 100-continue\nContent-Length: 5\n\nhello`,
    ),
    () => socket.resetAndDestroy(),
  )
  await once(socket, 'close')
  const answer = await client.send('PATCH', location, { body: 'fresh' })
  t.ok([202, 416].includes(answer.status), String(answer.status))
  t.equal((await client.send('DELETE', location)).status, 204)
})
