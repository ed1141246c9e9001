// A worker that sends one request again and again over raw sockets. It reads the head of the first answer
// only (and of one that is longer), to learn how long an answer is; after that it counts bytes and looks at the status, so that it costs
// much less than any server. It stops by itself and throws on any answer but 200.
import { connect, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { parentPort, workerData } from 'node:worker_threads'
import type { Measured } from './load.ts'

export interface GeneratorTask {
  readonly port: number
  readonly ca: string | undefined
  readonly method: string
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly connections: number
  readonly milliseconds: number
}

const GOOD = Buffer.from('HTTP/1.1 200')
const END_OF_CHUNKS = '\r\n0\r\n\r\n'

parentPort?.postMessage(await generate(workerData as GeneratorTask))

async function generate(task: GeneratorTask): Promise<Measured> {
  const lines = Object.entries(task.headers).map(([name, value]) => `${name}: ${value}\r\n`)
  const request = Buffer.from(
    `${task.method} ${task.path} HTTP/1.1\r\nHost: 127.0.0.1:${task.port}\r\n${lines.join('')}\r\n`,
  )
  const times: number[] = []
  const began = performance.now()
  const until = began + task.milliseconds
  const runs = Array.from({ length: task.connections }, () => runConnection(task, request, until, times))
  await Promise.all(runs)
  const elapsed = performance.now() - began
  const sorted = times.toSorted((a, b) => a - b)
  const at = (share: number): number => sorted[Math.floor(share * (sorted.length - 1))] ?? Number.NaN
  return { rate: (times.length * 1000) / elapsed, p50: at(0.5), p99: at(0.99) }
}

/** One request after the other until the time is over. */
function runConnection(task: GeneratorTask, request: Buffer, until: number, times: number[]): Promise<void> {
  const { port, ca } = task
  const host = '127.0.0.1'
  const socket: Socket = ca === undefined ? connect({ host, port }) : connectTls({ host, port, ca })
  socket.setNoDelay(true)
  return new Promise((resolve, reject) => {
    let length: number | undefined
    let first = Buffer.alloc(0)
    let received = 0
    let sentAt = 0
    const send = (): void => {
      received = 0
      sentAt = performance.now()
      socket.write(request)
    }
    const fail = (reason: string): void => {
      socket.destroy()
      reject(new Error(reason))
    }
    socket.once(ca === undefined ? 'connect' : 'secureConnect', send)
    socket.once('error', reject)
    socket.once('close', () => reject(new Error('the server closed a connection under load')))
    socket.on('data', (chunk: Buffer) => {
      if (received === 0 && !chunk.subarray(0, GOOD.length).equals(GOOD)) {
        fail(`answered: ${chunk.toString('latin1', 0, 200)}`)
        return
      }
      received += chunk.length
      if (length === undefined) {
        first = Buffer.concat([first, chunk])
        length = lengthOf(first, task.method)
        if (length === undefined) return
      }
      if (received < length) return
      if (received > length) {
        // An Age that has one more digit by now makes answers longer for good.
        length = received === chunk.length ? lengthOf(chunk, task.method) : undefined
        if (received !== length) {
          fail('an answer is longer than those before it')
          return
        }
      }
      const now = performance.now()
      times.push(now - sentAt)
      if (now < until) {
        send()
        return
      }
      resolve()
      socket.destroy()
    })
  })
}

/** Bytes of the whole answer; undefined as long as its end cannot be told. */
function lengthOf(bytes: Buffer, method: string): number | undefined {
  const text = bytes.toString('latin1')
  const head = text.indexOf('\r\n\r\n') + 4
  if (head < 4) return undefined
  if (method === 'HEAD') return head
  const length = /\r\ncontent-length: *(\d+)/i.exec(text.slice(0, head))?.[1]
  if (length !== undefined) return head + Number(length)
  return text.endsWith(END_OF_CHUNKS) ? bytes.length : undefined
}
