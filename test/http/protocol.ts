import { once } from 'node:events'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { connect } from 'node:net'
import type { Test } from 'tap'
import t from 'tap'
import { cutIdle } from '../../src/http/protocol.ts'

const IDLE = 100

async function serve(
  t: Test,
  handle: (request: IncomingMessage, response: ServerResponse) => void,
  idle = IDLE,
): Promise<Server> {
  const server = createServer({ keepAliveTimeout: 50 }, handle)
  server.setTimeout(idle)
  // setTimeout's own way of listening would count as somebody who takes care of the socket.
  server.removeAllListeners('timeout')
  cutIdle(server, idle)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  return server
}

const portOf = (server: Server): number => (server.address() as AddressInfo).port

t.test('a client that waits for this end is not cut, however long it takes', async (t) => {
  const server = await serve(
    t,
    (request, response) => {
      setImmediate(() => {
        // The times at which nothing had moved, without the wait for them.
        for (let time = 0; time < 5; time += 1) request.socket.emit('timeout')
        response.end('done')
      })
    },
    60_000,
  )
  const [answer] = (await once(request({ port: portOf(server), host: '127.0.0.1' }).end(), 'response')) as [
    IncomingMessage,
  ]
  t.equal((await answer.toArray()).join(''), 'done')
})

t.test('a client that stops sending its body is cut', async (t) => {
  const server = await serve(t, (request) => void request.resume())
  const socket = connect(portOf(server), '127.0.0.1')
  socket.on('error', () => undefined)
  socket.write('PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf')
  await once(socket, 'close')
  t.pass('closed by the server')
})

t.test('a client that stops reading its answer is cut', async (t) => {
  let cut = false
  const server = await serve(t, (_request, response) => {
    response.on('close', () => (cut = true))
    response.end(Buffer.alloc(64 * 1024 * 1024))
  })
  const socket = connect(portOf(server), '127.0.0.1')
  socket.on('error', () => undefined)
  socket.pause()
  socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
  while (!cut) await new Promise((resolve) => setImmediate(resolve))
  t.pass('closed by the server')
  socket.destroy()
})
