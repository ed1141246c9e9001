// What happens below Fastify: expectations, requests that node:http cannot read, requests without a Host. Their
// answers are the specification's JSON too, and never get into another answer of the same connection.
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { STATUS_CODES } from 'node:http'
import { errorBody, registryError } from '../oci/errors.ts'

/** Takes over what node:http would answer by itself, without a body. */
export function speakJson(server: Server): void {
  // Passed on as it is: readBody sends the 100 when somebody wants the body.
  server.on('checkContinue', (request, response) => server.emit('request', request, response))
  server.on('checkExpectation', (_request, response) => answer(response, 417, 'no such expectation can be met'))
  // node:http would close without a word. What follows the head is not HTTP, so the connection ends.
  server.on('connect', (_request, socket) => endWith(socket, 405, 'this server is no proxy'))
}

/**
 * Cuts connections on which nothing moved for `idle` milliseconds, but not while this end is what the client waits
 * for: hashing a large blob takes longer than that.
 */
export function cutIdle(server: Server, idle: number): void {
  server.on('timeout', (socket: Socket & { _httpMessage?: ServerResponse | null }) => {
    const answer = socket._httpMessage
    const working = answer?.req.complete === true && !answer.writableEnded && socket.writableLength === 0
    if (working) socket.setTimeout(idle)
    else socket.destroy()
  })
}

/** Tells a client that waits for it to send its body. */
export async function sendContinue(
  request: IncomingMessage,
  response: ServerResponse & { _expect_continue?: boolean; _sent100?: boolean },
): Promise<void> {
  // Node says whether the client waits; the server of an embedding program may have told it already.
  if (!response._expect_continue || response._sent100) return
  // Behind an answer that is still under way node:http would put the 100 after the head of this one.
  await waitForTurn(request, response)
  if (!request.socket.destroyed) response.writeContinue()
}

/** Resolves when no earlier answer is under way on the connection any more, or when the connection is gone. */
export async function waitForTurn(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { socket } = request
  if (response.socket !== null || socket.destroyed) return
  // As many wait as requests were sent ahead: that is no leak, which Node would warn of.
  socket.setMaxListeners(0)
  await new Promise<void>((resolve) => {
    const end = (): void => {
      response.off('socket', end)
      socket.off('close', end)
      resolve()
    }
    response.once('socket', end)
    socket.once('close', end)
  })
}

/** Why a request that node:http accepted is none all the same; undefined when it is one. */
export function findFlaw({ headers, httpVersion, url = '' }: IncomingMessage): Error | undefined {
  if (httpVersion !== '1.1' && httpVersion !== '1.0') return flaw('this server speaks HTTP/1.1')
  if (headers.host === undefined && httpVersion === '1.1') return flaw('the request has no Host')
  if (!url.startsWith('/')) return flaw('the target of the request is not a path')
  const { 'transfer-encoding': encoding, 'content-length': length } = headers
  // Another server in front may cut such a body at another place. node:http hands the head on before it refuses these.
  if (length !== undefined && (encoding !== undefined || !/^\d+$/.test(length)))
    return flaw('the length of the body is unclear')
  if (encoding !== undefined && (httpVersion === '1.0' || encoding.toLowerCase() !== 'chunked')) {
    return flaw('the only Transfer-Encoding is chunked, in HTTP/1.1')
  }
  return undefined
}

function flaw(message: string): Error {
  return registryError('UNSUPPORTED', { status: 400, message })
}

/**
 * Answers what could not be read as a request, or as the body of the one that is being answered, and ends the connection;
 * without an answer when one to an earlier request is under way.
 */
export function answerBroken(
  error: NodeJS.ErrnoException,
  socket: Duplex & { _httpMessage?: ServerResponse | null },
): void {
  const underWay = socket._httpMessage
  const isItsBody = underWay?.req.complete === false && !underWay.headersSent
  if (error.code === 'ECONNRESET' || !socket.writable || (underWay && !isItsBody)) socket.destroy()
  else endWith(socket, statusOf(error.code), 'the request is not HTTP/1.1 as this server reads it')
}

function endWith(socket: Duplex, status: number, message: string): void {
  const body = makeBody(status, message)
  socket.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
  )
}

function answer(response: ServerResponse, status: number, message: string): void {
  const body = makeBody(status, message)
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
    connection: 'close',
  })
  response.end(body)
}

function makeBody(status: number, message: string): string {
  return errorBody(registryError('UNSUPPORTED', { status, message }))
}

function statusOf(code: string | undefined): number {
  switch (code) {
    case 'HPE_HEADER_OVERFLOW':
    case 'HPE_CHUNK_EXTENSIONS_OVERFLOW':
      return 431
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return 408
    default:
      return 400
  }
}
