// Requests whose body is not what their head says, or comes without a length: to see when a server answers, and what
// it does when a disk fills up in the middle of a body. Loopback only.
import { Agent, request } from 'node:http'
import { connect } from 'node:net'

const PATIENCE_MS = 20_000

/** Sends only the head of a request that announces `length` bytes and waits to send them; gives the first status that comes. */
export function askBeforeBody(port: number, method: string, path: string, length: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1' })
    const timer = setTimeout(() => {
      socket.destroy()
      reject(new Error(`${method} ${path}: no answer before the body within ${PATIENCE_MS} ms`))
    }, PATIENCE_MS)
    let text = ''
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1')
      const status = /^HTTP\/1\.1 (\d{3}) /.exec(text)?.[1]
      if (status === undefined) return
      clearTimeout(timer)
      socket.destroy()
      resolve(Number(status))
    })
    socket.on('error', (error) => {
      clearTimeout(timer)
      reject(error)
    })
    const head = ['Host: 127.0.0.1', `Content-Length: ${length}`, 'Expect: 100-continue']
    socket.write(`${method} ${path} HTTP/1.1\r\n${head.join('\r\n')}\r\n\r\n`)
  })
}

/** Sends `body` in chunks, its length unsaid; gives the status of the answer, 0 when the connection broke. */
export function sendUnannounced(origin: string, method: string, path: string, body: Uint8Array): Promise<number> {
  const { promise, resolve } = Promise.withResolvers<number>()
  // As real clients do: a connection that is to be closed after the answer is cut while the body still comes.
  const agent = new Agent({ keepAlive: true })
  const outgoing = request(new URL(path, origin), { method, agent, timeout: PATIENCE_MS }, (incoming) => {
    incoming.resume()
    incoming.once('close', () => agent.destroy())
    resolve(incoming.statusCode ?? 0)
  })
  outgoing.on('timeout', () => outgoing.destroy())
  outgoing.on('error', () => resolve(0))
  // In pieces: all at once would be given a length.
  const half = body.byteLength >> 1
  outgoing.write(body.subarray(0, half))
  outgoing.end(body.subarray(half))
  return promise
}
