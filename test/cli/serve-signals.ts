import { once } from 'node:events'
import { request } from 'node:http'
import { connect } from 'node:net'
import t from 'tap'
import { hashOf } from '../helpers/digest.ts'
import { hear, serveConfig, writeConfig } from '../helpers/serving.ts'

/** Begins an upload whose body has not ended; `finish` ends it and gives the status. */
async function holdUpload(url: string) {
  const uploading = request(`${url}/v2/a/blobs/uploads/?digest=${hashOf('hello')}`, {
    method: 'POST',
    headers: { 'content-length': '5', expect: '100-continue' },
  })
  uploading.flushHeaders()
  await once(uploading, 'continue')
  uploading.write('hel')
  const answered = new Promise<number | string>((resolve) => {
    uploading.once('response', (response) => resolve(response.resume().statusCode ?? 0))
    uploading.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? ''))
  })
  return {
    answered,
    finish: () => {
      uploading.end('lo')
      return answered
    },
  }
}

t.test('SIGTERM and SIGINT end it with 0 when what is under way is answered', async (t) => {
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    const serving = await serveConfig(t, writeConfig(t))
    const upload = await holdUpload(serving.url)
    serving.child.kill(signal)
    await hear(serving, 'stopping')
    await t.rejects(fetch(`${serving.url}/v2/`), 'nobody new comes in')
    t.equal(await upload.finish(), 201)
    t.equal(await serving.end(), 0)
  }
})

t.test('a second signal ends it at once', async (t) => {
  const serving = await serveConfig(t, writeConfig(t))
  const { answered } = await holdUpload(serving.url)
  serving.child.kill('SIGTERM')
  await hear(serving, 'stopping')
  t.equal(await serving.end('SIGTERM'), 1)
  t.equal(await answered, 'ECONNRESET')
})

t.test('http.draintimeout ends the waiting', async (t) => {
  const serving = await serveConfig(t, writeConfig(t, 'http: {draintimeout: 100ms}\n'))
  const { answered } = await holdUpload(serving.url)
  t.equal(await serving.end('SIGTERM'), 0)
  t.equal(await answered, 'ECONNRESET')
})

t.test('SIGHUP does not end it', async (t) => {
  const serving = await serveConfig(t, writeConfig(t))
  serving.child.kill('SIGHUP')
  await hear(serving, 'taken up by themselves')
  t.equal((await fetch(`${serving.url}/v2/`)).status, 200)
})

t.test('a client that keeps its connection open, also after the last answer, does not hold the end up', async (t) => {
  const serving = await serveConfig(t, writeConfig(t, 'http: {draintimeout: 10m}\n'))
  const socket = connect(Number(new URL(serving.url).port), '127.0.0.1')
  socket.write('GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n')
  await once(socket, 'data')
  const { port } = new URL(serving.url)
  const busy = connect(Number(port), '127.0.0.1')
  const head = `POST /v2/a/blobs/uploads/?digest=${hashOf('hello')} HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n`
  busy.write(`${head}Expect: 100-continue\r\n\r\n`)
  await once(busy, 'data')
  serving.child.kill('SIGTERM')
  await hear(serving, 'stopping')
  busy.write('hello')
  const [answer] = (await once(busy, 'data')) as [Buffer]
  t.match(answer.toString('latin1'), /^HTTP\/1\.1 201 /)
  t.equal(await serving.end(), 0)
  for (const each of [socket, busy]) each.destroy()
})
