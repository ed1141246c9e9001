import { once } from 'node:events'
import { connect } from 'node:net'
import t from 'tap'
import { exchange, valuesOf, writeRequest } from '../helpers/raw-socket.ts'
import { startTarn } from '../helpers/server.ts'

t.test('a page that does not exist is 404 in the specification’s JSON', async (t) => {
  const { port } = await startTarn(t)
  for (const path of ['/nowhere', '/v1/', '/v20', '/favicon.ico', '/v2x/']) {
    const { answers } = await exchange(port, writeRequest('GET', path))
    t.equal(answers[0]?.status, 404, path)
    t.match(JSON.parse(answers[0]?.body.toString() ?? ''), { errors: [{ code: 'NAME_UNKNOWN' }] })
  }
})

t.test('a connection without a byte is cut after limits.idleTimeout', async (t) => {
  const { port } = await startTarn(t, { limits: { idleTimeout: 1000 } })
  const socket = connect(port, '127.0.0.1')
  const begun = Date.now()
  await once(socket, 'close')
  t.ok(Date.now() - begun >= 900)
})

t.test('a body that stops coming is cut after limits.idleTimeout, and what came is kept', async (t) => {
  const { port, url } = await startTarn(t, { limits: { idleTimeout: 1000 } })
  const begun = await fetch(`${url}/v2/a/blobs/uploads/`, { method: 'POST' })
  const location = begun.headers.get('location') ?? ''
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => undefined)
  socket.write(`PATCH ${location} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhello`)
  await once(socket, 'close')
  let range: string | null = ''
  while (range !== '0-4') range = (await fetch(`${url}${location}`)).headers.get('range')
  t.equal(range, '0-4')
})

t.test('more connections than limits.connections are closed, the others go on', async (t) => {
  const { port } = await startTarn(t, { limits: { connections: 2 } })
  const [first, second] = [connect(port, '127.0.0.1'), connect(port, '127.0.0.1')]
  await Promise.all([once(first, 'connect'), once(second, 'connect')])
  const third = connect(port, '127.0.0.1')
  third.on('error', () => undefined)
  await once(third, 'close')
  first.write('GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n')
  const [answer] = (await once(first, 'data')) as [Buffer]
  t.match(answer.toString('latin1'), /^HTTP\/1\.1 200 /)
  for (const socket of [first, second]) socket.destroy()
})

t.test('a body whose chunks are broken is 400, what came before it is kept, and CONNECT is 405', async (t) => {
  const { port, url } = await startTarn(t)
  const location = (await fetch(`${url}/v2/a/blobs/uploads/`, { method: 'POST' })).headers.get('location') ?? ''
  const chunked = 'Host: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nZZ\r\n'
  for (const [head, status] of [
    [`PATCH ${location} HTTP/1.1\r\n${chunked}`, 400],
    [`PUT /v2/a/manifests/x HTTP/1.1\r\n${chunked}`, 400],
    ['CONNECT registry.test:443 HTTP/1.1\r\nHost: x\r\n\r\n', 405],
  ] as const) {
    const { answers, closed } = await exchange(port, head)
    t.same([closed, answers.map((answer) => answer.status)], [true, [status]], head)
    t.match(JSON.parse(answers[0]?.body.toString() ?? ''), { errors: [{ code: 'UNSUPPORTED' }] })
  }
  let range: string | null = ''
  while (range !== '0-4') range = (await fetch(`${url}${location}`)).headers.get('range')
  t.equal(range, '0-4')
})

t.test('answers carry the bare content type, and nothing is encoded', async (t) => {
  const { port } = await startTarn(t)
  const encodings = ['Accept-Encoding: gzip, br, zstd']
  for (const path of ['/v2/', '/v2/_catalog', '/v2/a/manifests/x']) {
    const { answers } = await exchange(port, writeRequest('GET', path, encodings))
    const [answer] = answers
    if (answer === undefined) throw new Error('no answer')
    t.same(valuesOf(answer, 'content-type'), ['application/json'], path)
    t.same(valuesOf(answer, 'content-encoding'), [])
  }
})
