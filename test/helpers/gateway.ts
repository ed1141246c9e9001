// A gateway in front of a registry that plays an upstream: it hands requests on and counts them and the bytes of their
// answers, and does to them what a test asks for. It listens on loopback and ends with the test.
import type { IncomingMessage, ServerResponse } from 'node:http'
import { Agent, createServer, request as send } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import type { Test } from 'tap'

export interface SeenRequest {
  readonly method: string
  readonly url: string
  readonly range: string | undefined
  /** Bytes of the answer's body that were handed on so far. */
  bytes: number
}

/** What happens to a request in the place of being handed on; undefined hands it on. */
export type Hook = (request: SeenRequest, response: ServerResponse) => boolean | undefined

export interface Gateway {
  readonly origin: string
  readonly seen: SeenRequest[]
  /** Connections that were opened. */
  readonly connections: number
  /** True: answers it itself by the response. */
  hook: Hook | undefined
  /** Names of headers that answers lose. */
  hides: readonly string[]
  /** Breaks the connection of an answer after so many bytes of its body, once for each request that it matches. */
  cutAfter: ((request: SeenRequest) => number | undefined) | undefined
  /** Changes the bytes of an answer. */
  spoil: ((request: SeenRequest, bytes: Buffer) => Buffer) | undefined
  /** Holds the body of an answer back after so many bytes until what it gives resolves. */
  hold: ((request: SeenRequest) => { after: number; until: Promise<unknown> } | undefined) | undefined
  /** Requests whose method and path begin so: `GET /v2/team/app/blobs/`. */
  count(start: string): number
  /** Bytes of blobs' bodies. */
  blobBytes(): number
  /** Refuses connections, and takes them again. */
  down(): Promise<void>
  up(): Promise<void>
}

/** Starts a gateway to `target`, an origin such as `http://127.0.0.1:5000`. */
export async function startGateway(t: Pick<Test, 'teardown'>, target: string): Promise<Gateway> {
  const agent = new Agent({ keepAlive: true })
  const sockets = new Set<Socket>()
  const seen: SeenRequest[] = []
  let connections = 0
  let gateway: Gateway

  const handle = (request: IncomingMessage, response: ServerResponse): void => {
    const { method = '', url = '', headers } = request
    const one: SeenRequest = { method, url, range: headers.range, bytes: 0 }
    seen.push(one)
    response.on('error', () => undefined)
    if (gateway.hook?.(one, response) === true) return
    const outgoing = send(`${target}${url}`, { method, headers, agent }, (answer) => {
      const kept = Object.entries(answer.headers).filter(([name]) => !gateway.hides.includes(name))
      response.writeHead(answer.statusCode ?? 500, Object.fromEntries(kept))
      void handOn(gateway, one, answer, response)
    })
    outgoing.on('error', () => response.destroy())
    request.pipe(outgoing)
  }
  const server = createServer(handle)
  server.on('connection', (socket: Socket) => {
    connections += 1
    sockets.add(socket)
    socket.on('error', () => undefined)
    socket.on('close', () => sockets.delete(socket))
  })
  const listen = (port: number): Promise<void> => new Promise((resolve) => server.listen(port, '127.0.0.1', resolve))
  await listen(0)
  const { port } = server.address() as AddressInfo
  const down = async (): Promise<void> => {
    const closed = new Promise((resolve) => server.close(resolve))
    for (const socket of sockets) socket.destroy()
    await closed
  }
  t.teardown(async () => {
    if (server.listening) await down()
    agent.destroy()
  })
  gateway = {
    origin: `http://127.0.0.1:${port}`,
    seen,
    get connections() {
      return connections
    },
    hook: undefined,
    hides: [],
    cutAfter: undefined,
    spoil: undefined,
    hold: undefined,
    count: (start) => seen.filter(({ method, url }) => `${method} ${url}`.startsWith(start)).length,
    blobBytes: () => seen.filter(({ url }) => url.includes('/blobs/')).reduce((sum, { bytes }) => sum + bytes, 0),
    down,
    up: () => listen(port),
  }
  return gateway
}

async function handOn(gateway: Gateway, one: SeenRequest, answer: IncomingMessage, response: ServerResponse) {
  const cut = gateway.cutAfter?.(one)
  const hold = gateway.hold?.(one)
  try {
    for await (const piece of answer as AsyncIterable<Buffer>) {
      let bytes = gateway.spoil?.(one, piece) ?? piece
      if (cut !== undefined && one.bytes + bytes.length >= cut) {
        bytes = bytes.subarray(0, cut - one.bytes)
        one.bytes += bytes.length
        response.write(bytes, () => response.destroy())
        return
      }
      if (hold !== undefined && one.bytes + bytes.length > hold.after) {
        const early = Math.max(0, hold.after - one.bytes)
        response.write(bytes.subarray(0, early))
        one.bytes += early
        bytes = bytes.subarray(early)
        await hold.until
      }
      one.bytes += bytes.length
      if (!response.write(bytes)) await mayWrite(response)
      if (response.destroyed) return
    }
    response.end()
  } catch {
    response.destroy()
  }
}

async function mayWrite(response: ServerResponse): Promise<void> {
  await new Promise<void>((resolve) => {
    const go = (): void => {
      response.off('drain', go).off('close', go)
      resolve()
    }
    response.on('drain', go).on('close', go)
  })
}
