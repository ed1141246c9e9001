// Speaks to a server in raw bytes, since every client library repairs or refuses what an attacker sends.
// It reads answers strictly: what is no HTTP/1.1 answer throws, and so does a server that keeps silent.
import { connect } from 'node:net'

export interface RawAnswer {
  readonly status: number
  /** Names in lower case, in the order in which they came. */
  readonly headers: readonly (readonly [name: string, value: string])[]
  readonly body: Buffer
}

export interface Exchange {
  readonly answers: readonly RawAnswer[]
  /** Whether the server closed the connection. */
  readonly closed: boolean
}

export interface ExchangeOptions {
  /** The methods of the requests in order, where one is HEAD: its answer has no body. */
  readonly methods?: readonly string[]
  /** Ends the exchange when so many final answers are there; without it only the server's close does. */
  readonly answers?: number
  /** Milliseconds after which the exchange throws (60,000 unless given, so that only a server that hangs meets it). */
  readonly deadline?: number
  /** Milliseconds without an answer after which the client ends its half, for requests that are cut short. */
  readonly patience?: number
}

/** Sends `bytes` over a new connection and reads what comes back. Throws when the deadline passes. */
export function exchange(port: number, bytes: Buffer | string, options: ExchangeOptions = {}): Promise<Exchange> {
  const { deadline = 60_000, patience, methods = [], answers: wanted } = options
  return new Promise((resolve, reject) => {
    let received = Buffer.alloc(0)
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
    const finish = (act: () => void): void => {
      clearTimeout(timer)
      clearTimeout(waiting)
      socket.destroy()
      act()
    }
    const settle = (closed: boolean): boolean => {
      try {
        const { answers, rest } = readAnswers(received, methods, closed)
        if (closed && rest > 0) throw new Error(`${rest} bytes that are no whole answer: ${quote(received)}`)
        if (!closed && (wanted === undefined || answers.length < wanted)) return false
        finish(() => resolve({ answers, closed }))
      } catch (error) {
        finish(() => reject(error))
      }
      return true
    }
    const timer = setTimeout(
      () => finish(() => reject(new Error(`no end within ${deadline} ms; received ${quote(received)}`))),
      deadline,
    )
    const waiting = patience === undefined ? undefined : setTimeout(() => socket.end(), patience)
    socket.on('data', (chunk) => {
      received = Buffer.concat([received, chunk])
      settle(false)
    })
    socket.on('close', () => void settle(true))
    // A reset ends the exchange as a close does: what had come before counts.
    socket.on('error', () => undefined)
    socket.on('end', () => void settle(true))
    socket.write(bytes)
  })
}

function quote(bytes: Buffer): string {
  return JSON.stringify(bytes.toString('latin1', 0, 300))
}

function readAnswers(
  bytes: Buffer,
  methods: readonly string[],
  ended: boolean,
): { answers: RawAnswer[]; rest: number } {
  const answers: RawAnswer[] = []
  let at = 0
  while (at < bytes.length) {
    const read = readAnswer(bytes, at, methods[answers.length] === 'HEAD', ended)
    if (read === undefined) break
    at = read.end
    if (read.answer.status >= 200) answers.push(read.answer)
  }
  return { answers, rest: bytes.length - at }
}

function readAnswer(
  bytes: Buffer,
  start: number,
  bodiless: boolean,
  ended: boolean,
): { answer: RawAnswer; end: number } | undefined {
  const headEnd = bytes.indexOf('\r\n\r\n', start)
  if (headEnd < 0) return undefined
  const [statusLine = '', ...lines] = bytes.toString('latin1', start, headEnd).split('\r\n')
  const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(statusLine)?.[1] ?? Number.NaN)
  if (Number.isNaN(status)) throw new Error(`no status line: ${JSON.stringify(statusLine)}`)
  const headers = lines.map((line) => {
    const colon = line.indexOf(':')
    return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()] as const
  })
  const find = (name: string): string | undefined => headers.find(([key]) => key === name)?.[1]
  const bodyStart = headEnd + 4
  const done = (body: Buffer, end: number) => ({ answer: { status, headers, body }, end })
  const length = find('content-length')
  // A server that could not read the request does not know that it was a HEAD.
  const unread = (status === 400 || status === 431) && ended && bytes.length - bodyStart === Number(length)
  if ((bodiless && !unread) || status < 200 || status === 204 || status === 304) return done(Buffer.alloc(0), bodyStart)
  if (find('transfer-encoding') === 'chunked') return readChunked(bytes, bodyStart, done)
  if (length === undefined) return ended ? done(bytes.subarray(bodyStart), bytes.length) : undefined
  const end = bodyStart + Number(length)
  return end <= bytes.length ? done(bytes.subarray(bodyStart, end), end) : undefined
}

function readChunked<T>(bytes: Buffer, start: number, done: (body: Buffer, end: number) => T): T | undefined {
  const pieces: Buffer[] = []
  for (let at = start; ;) {
    const lineEnd = bytes.indexOf('\r\n', at)
    if (lineEnd < 0) return undefined
    const size = Number.parseInt(bytes.toString('latin1', at, lineEnd), 16)
    const next = lineEnd + 2 + size + 2
    if (Number.isNaN(size) || next > bytes.length) return undefined
    if (size === 0) return done(Buffer.concat(pieces), next)
    pieces.push(bytes.subarray(lineEnd + 2, lineEnd + 2 + size))
    at = next
  }
}

/** The values of all headers of that name. */
export function valuesOf({ headers }: RawAnswer, name: string): string[] {
  return headers.filter(([key]) => key === name).map(([, value]) => value)
}

/** Writes a request; `Connection: close` is added, so that the server's close ends the exchange. */
export function writeRequest(
  method: string,
  path: string,
  headers: readonly string[] = [],
  body: Buffer | string = '',
): Buffer {
  const length = Buffer.byteLength(body)
  const framed = headers.some((line) => /^(content-length|transfer-encoding) *:/i.test(line))
  const lines = [
    `${method} ${path} HTTP/1.1`,
    'Host: 127.0.0.1',
    ...headers,
    ...(framed || (length === 0 && method !== 'PUT' && method !== 'PATCH' && method !== 'POST')
      ? []
      : [`Content-Length: ${length}`]),
    'Connection: close',
  ]
  return Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'), Buffer.from(body)])
}
