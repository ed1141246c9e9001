// A relay in front of an upstream that speaks plain HTTP/1.1: it counts what goes through, by request, can slow it
// down to a line of so many bytes a second, cut an answer, answer in the upstream's place, and be dead. It changes no
// byte of what it lets through.
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { connect, createServer } from 'node:net'
import { makeLine } from './line.ts'

/** A request that came, and what went back for it. */
export interface Passed {
  readonly method: string
  readonly path: string
  readonly headers: string
  /** Milliseconds of performance.now(). */
  readonly at: number
  /** Bytes of the body that were sent back so far. */
  bytes: number
  status: number | undefined
}

/** What the relay answers in the upstream's place. */
export interface Canned {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
}

export interface Relay {
  readonly url: string
  readonly port: number
  readonly passed: readonly Passed[]
  /** How many connections came in all, with or without a request. */
  readonly connections: number
  /** Bytes of bodies that were sent back for paths with this text in them. */
  bytesOf(path: string): number
  /** Requests for paths with this text in them. */
  requestsFor(path: string): Passed[]
  /** Forgets what was counted. */
  clear(): void
  /** Bytes a second of all connections together; undefined is as fast as it goes. */
  shape(bytesPerSecond: number | undefined): void
  /** The next answer for a path with this text is cut off after so many bytes of its body. */
  cut(path: string, after: number): void
  /** Resolves when so many bytes of bodies of such paths have gone through. */
  reached(path: string, bytes: number): Promise<void>
  /** Answers everything, or what `path` is in, by itself; undefined ends that. */
  answer(canned: Canned | undefined, path?: string): void
  /** Leads to another port of loopback from the next connection on. */
  lead(port: number): void
  /** Refuses and breaks all connections. */
  down(): Promise<void>
  /** Is there again, on the same port. */
  up(): Promise<void>
}

const HEAD_END = '\r\n\r\n'
const REACH_MS = 60_000
/** Bytes of one connection that may wait for the line, as in the buffers of a network. */
const WINDOW = 512 * 1024

/** Starts a relay to a port of loopback; it ends with `onEnd`'s acts. */
export async function startRelay(
  target: number,
  { onEnd, host = '127.0.0.1' }: { readonly onEnd: (act: () => Promise<void>) => void; readonly host?: string },
): Promise<Relay> {
  const passed: Passed[] = []
  const sockets = new Set<Socket>()
  const watchers = new Set<() => void>()
  const cuts = new Map<string, number>()
  const line = makeLine()
  let connections = 0
  let canned: { readonly answer: Canned; readonly path: string } | undefined

  const note = (each: Passed, bytes: number): void => {
    each.bytes += bytes
    for (const watcher of watchers) watcher()
  }
  const bytesOf = (path: string): number =>
    passed.reduce((sum, each) => (each.path.includes(path) ? sum + each.bytes : sum), 0)

  const server = createServer((client) => {
    connections += 1
    sockets.add(client)
    client.setNoDelay(true)
    let head = ''
    let rest = 0
    let current: Passed | undefined
    let inBody = false
    /** Bytes of the answer's body that were read so far. */
    let taken = 0
    let cutAfter: number | undefined
    let upstream: Socket | undefined
    let waiting = 0
    const end = (): void => {
      client.destroy()
      upstream?.destroy()
    }
    client.on('error', end)
    client.on('close', () => {
      sockets.delete(client)
      upstream?.destroy()
    })
    const open = (): Socket => {
      if (upstream !== undefined) return upstream
      const socket = connect(target, host)
      upstream = socket
      sockets.add(socket)
      socket.setNoDelay(true)
      socket.on('error', end)
      socket.on('close', () => {
        sockets.delete(socket)
        // What waits on the line still goes out before the end.
        void line.idle().then(() => client.end())
      })
      socket.on('data', (chunk: Buffer) => {
        const owner = current
        let body = chunk.length
        if (!inBody && owner !== undefined) {
          const at = chunk.indexOf(HEAD_END)
          owner.status ??= Number(/^HTTP\/1\.1 (\d+)/.exec(chunk.toString('latin1', 0, 16))?.[1])
          body = at < 0 ? 0 : chunk.length - at - HEAD_END.length
          inBody = at >= 0
        }
        let piece = chunk
        const left = cutAfter === undefined ? undefined : cutAfter - taken
        const isCut = left !== undefined && body >= left
        if (isCut) {
          piece = chunk.subarray(0, chunk.length - body + left)
          body = left
          socket.removeAllListeners('data')
        }
        taken += body
        const send = (): void => {
          if (client.destroyed) return
          if (owner !== undefined) note(owner, body)
          if (isCut) {
            client.write(piece, end)
            return
          }
          if (!client.write(piece)) {
            socket.pause()
            client.once('drain', () => socket.resume())
          }
        }
        const wait = line.take(piece.length)
        if (wait === undefined) {
          send()
          return
        }
        waiting += piece.length
        if (waiting > WINDOW) socket.pause()
        void wait.then(() => {
          waiting -= piece.length
          socket.resume()
          send()
        })
      })
      return socket
    }
    client.on('data', (chunk: Buffer) => {
      if (rest > 0) {
        rest -= chunk.length
        open().write(chunk)
        return
      }
      head += chunk.toString('latin1')
      const at = head.indexOf(HEAD_END)
      if (at < 0) return
      const [, method = '', path = ''] = /^(\S+) (\S+) /.exec(head) ?? []
      const headers = head.slice(0, at)
      rest = Number(/\r\ncontent-length: *(\d+)/i.exec(headers)?.[1] ?? 0) - (head.length - at - HEAD_END.length)
      current = { method, path, headers, at: performance.now(), bytes: 0, status: undefined }
      inBody = false
      taken = 0
      cutAfter = undefined
      passed.push(current)
      for (const [text, after] of cuts) {
        if (method !== 'GET' || !path.includes(text)) continue
        cutAfter = after
        cuts.delete(text)
      }
      if (canned !== undefined && path.includes(canned.path)) {
        current.status = canned.answer.status
        client.write(drawAnswer(canned.answer, method))
      } else open().write(Buffer.from(head, 'latin1'))
      head = ''
    })
  })
  const listen = async (port: number): Promise<number> => {
    server.listen(port, '127.0.0.1')
    await once(server, 'listening')
    const address = server.address()
    if (address === null || typeof address === 'string') throw new Error('the relay has no port')
    return address.port
  }
  const port = await listen(0)
  const down = async (): Promise<void> => {
    const closed = server.listening ? once(server, 'close') : undefined
    server.close()
    for (const socket of sockets) socket.destroy()
    await closed
  }
  onEnd(down)
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    passed,
    get connections() {
      return connections
    },
    bytesOf,
    requestsFor: (path) => passed.filter((each) => each.path.includes(path)),
    clear() {
      passed.length = 0
      connections = 0
    },
    shape: (rate) => line.shape(rate),
    cut: (path, after) => void cuts.set(path, after),
    reached: (path, bytes) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          if (bytesOf(path) < bytes) return
          watchers.delete(look)
          clearTimeout(timer)
          resolve()
        }
        const timer = setTimeout(() => {
          watchers.delete(look)
          reject(new Error(`${bytesOf(path)} of ${bytes} bytes of ${path} went through in ${REACH_MS} ms`))
        }, REACH_MS)
        watchers.add(look)
        look()
      }),
    answer: (answer, path = '') => void (canned = answer && { answer, path }),
    lead: (other) => void (target = other),
    down,
    async up() {
      await listen(port)
    },
  }
}

function drawAnswer({ status, headers = {}, body = '' }: Canned, method: string): string {
  const all = { 'content-length': String(Buffer.byteLength(body)), ...headers }
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`)
  return `HTTP/1.1 ${status} Canned\r\n${lines.join('')}\r\n${method === 'HEAD' ? '' : body}`
}
