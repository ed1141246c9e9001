import { once } from 'node:events'
import type { Socket } from 'node:net'
import { connect } from 'node:net'
import { mock } from 'node:test'
import t from 'tap'
import type { Test } from 'tap'

import { createRegistry } from '../../src/index.ts'
import { codeOf, openClient } from '../helpers/client.ts'
import { hashOf } from '../helpers/digest.ts'
import { makeLogin, PASSWORD, USERNAME } from '../helpers/login.ts'
import { exchange } from '../helpers/raw-socket.ts'
import { startTarn } from '../helpers/server.ts'

const MIB = 1024 * 1024
const RIGHT = `Authorization: Basic ${Buffer.from(`${USERNAME}:${PASSWORD}`).toString('base64')}`
const POST = '/v2/a/blobs/uploads/'

const serve = (t: Test) => startTarn(t, { auth: makeLogin(t.testdir()), limits: { manifestBytes: 65_536 } })

/** Sends zeros until `most` went out or the server cuts; gives the bytes that the kernel took, and what was answered. */
async function flood(socket: Socket, head: string, most: number): Promise<{ sent: number; answer: string }> {
  let answer = ''
  socket.on('data', (chunk) => (answer += chunk.toString('latin1')))
  socket.on('error', () => undefined)
  let goOn = (): void => undefined
  for (const event of ['drain', 'close']) socket.on(event, () => goOn())
  socket.write(head)
  const piece = Buffer.alloc(256 * 1024)
  let sent = 0
  while (sent < most && !socket.destroyed) {
    sent += piece.length
    if (!socket.write(piece)) await new Promise<void>((resolve) => (goOn = resolve))
  }
  const taken = socket.bytesWritten
  socket.destroy()
  return { sent: taken, answer }
}

t.test('a client that sends 1 GB after a 401 is told so, and cut after a bounded amount', async (t) => {
  const { port } = await serve(t)
  const socket = connect(port, '127.0.0.1')
  const head = `POST ${POST}?digest=${hashOf('x')} HTTP/1.1\r\nHost: x\r\nContent-Length: ${1024 * MIB}\r\n\r\n`
  const { sent, answer } = await flood(socket, head, 1024 * MIB)
  t.match(answer, /^HTTP\/1\.1 401 /)
  // 8 MiB are read; the rest lies in the buffers of two kernels and of this client.
  t.ok(sent < 64 * MIB, `${sent} bytes sent`)
})

t.test('a short body after an early answer leaves the connection for the next request', async (t) => {
  const { port } = await serve(t)
  const body = 'x'.repeat(MIB)
  const first = `POST ${POST} HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n${body}`
  const second = `GET /v2/ HTTP/1.1\r\nHost: x\r\n${RIGHT}\r\n\r\n`
  const { answers } = await exchange(port, first + second, { answers: 2 })
  t.same(
    answers.map(({ status }) => status),
    [401, 200],
  )
})

t.test('an injected request that is refused early leaves nothing behind that could fail later', async (t) => {
  mock.timers.enable({ apis: ['setTimeout'] })
  t.teardown(() => mock.timers.reset())
  const config = { storage: { filesystem: { rootdirectory: t.testdir({}) } }, auth: makeLogin(t.testdir({})) }
  const app = await createRegistry({ config })
  t.teardown(() => app.close())
  const { statusCode } = await app.inject({ method: 'POST', url: POST, payload: 'hello' })
  t.equal(statusCode, 401)
  t.doesNotThrow(() => mock.timers.tick(60_000))
})

t.test('Expect: 100-continue without a login is 401 and no 100', async (t) => {
  const { port } = await serve(t)
  const socket = connect(port, '127.0.0.1')
  socket.write(`POST ${POST} HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n`)
  const [chunk] = (await once(socket, 'data')) as [Buffer]
  t.match(chunk.toString('latin1'), /^HTTP\/1\.1 401 /)
  socket.destroy()
})

t.test('Expect: 100-continue with the right login is told to go on, and the body is taken', async (t) => {
  const { url } = await serve(t)
  const client = openClient({ url, username: USERNAME, password: PASSWORD })
  t.teardown(() => client.close())
  const answer = await client.send('POST', `${POST}?digest=${hashOf('hello')}`, { body: 'hello', expectContinue: true })
  t.equal(answer.status, 201)
  t.equal(answer.continued, true)
})

t.test('no 100 is sent for a body that nobody wants', async (t) => {
  const { port } = await serve(t)
  const head = (method: string, path: string, length: number): string =>
    `${method} ${path} HTTP/1.1\r\nHost: x\r\n${RIGHT}\r\nExpect: 100-continue\r\nContent-Length: ${length}\r\n\r\n`
  for (const [method, path, length, status] of [
    ['PUT', '/v2/a/manifests/v1', 65_537, 413],
    ['PUT', '/v2/UPPER/manifests/v1', 5, 400],
    ['PATCH', `${POST}6f2dd8a8-6f4a-4b3c-9a6a-0d3f3f0c1b2a`, 5, 404],
    ['PUT', '/v2/a/tags/list', 5, 405],
  ] as const) {
    const socket = connect(port, '127.0.0.1')
    socket.write(head(method, path, length))
    const [chunk] = (await once(socket, 'data')) as [Buffer]
    t.match(chunk.toString('latin1'), new RegExp(`^HTTP/1\\.1 ${status} `), `${method} ${path}`)
    socket.destroy()
  }
})

t.test(
  'a manifest over the limit is 413 SIZE_INVALID whether it says its length or not, and the client hears it',
  async (t) => {
    const { url } = await serve(t)
    const client = openClient({ url, username: USERNAME, password: PASSWORD })
    t.teardown(() => client.close())
    const large = Buffer.alloc(65_537, ' ')
    for (const sending of [{ body: large }, { chunks: [large] }, { chunks: Array.from({ length: 40 }, () => large) }]) {
      const answer = await client.send('PUT', '/v2/a/manifests/v1', sending)
      t.same([answer.status, codeOf(answer)], [413, 'SIZE_INVALID'])
    }
    const fits = await client.send('PUT', '/v2/a/manifests/v1', { body: Buffer.alloc(65_536, ' ') })
    t.same([fits.status, codeOf(fits)], [400, 'MANIFEST_INVALID'], 'the limit itself is read')
  },
)
