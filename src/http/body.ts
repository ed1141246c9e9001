// Reading request bodies. Nothing is read before the gate let the request in; a client that asked with
// "Expect: 100-continue" is told to go on only then.
import type { IncomingMessage } from 'node:http'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { registryError } from '../oci/errors.ts'
import { sendContinue } from './protocol.ts'

// What is read and thrown away after an early answer, so that the client gets to see it: a connection
// that is reset while the client still writes shows it an error of its own instead.
const DRAIN_BYTES = 8 * 1024 * 1024
const DRAIN_MS = 10_000
// What is set aside for a body of unknown length at first.
const SMALL = 16 * 1024

/** Whether the request announces a body of at least one byte. */
export function hasBody(request: FastifyRequest): boolean {
  const { 'content-length': length, 'transfer-encoding': encoding } = request.headers
  return encoding !== undefined || (length !== undefined && Number(length) > 0)
}

/** The body as a stream. */
export async function* readBody(request: FastifyRequest, reply: FastifyReply): AsyncGenerator<Uint8Array> {
  await sendContinue(request.raw, reply.raw)
  // Whoever stops reading wants to answer: the connection must outlive that.
  yield* request.raw.iterator({ destroyOnReturn: false })
}

/** The whole body; throws 413 SIZE_INVALID when it is larger than `limit` bytes, before reading it if it says so. */
export async function readWhole(
  request: FastifyRequest,
  reply: FastifyReply,
  limit: number,
  what = 'manifest',
): Promise<Uint8Array> {
  const tooLarge = (): Error =>
    registryError('SIZE_INVALID', { status: 413, message: `the ${what} is larger than ${limit} bytes` })
  const announced = Number(request.headers['content-length'] ?? 0)
  if (announced > limit) throw tooLarge()
  // Copied into one buffer: a client that sends byte by byte would otherwise have us keep a buffer for each.
  let bytes = Buffer.allocUnsafeSlow(announced || SMALL)
  let size = 0
  for await (const chunk of readBody(request, reply)) {
    if (size + chunk.byteLength > limit) throw tooLarge()
    if (size + chunk.byteLength > bytes.length) {
      const larger = Buffer.allocUnsafeSlow(Math.min(limit, 2 * (size + chunk.byteLength)))
      bytes.copy(larger, 0, 0, size)
      bytes = larger
    }
    bytes.set(chunk, size)
    size += chunk.byteLength
  }
  return bytes.subarray(0, size)
}

/** After an answer that did not wait for the whole body: takes a bounded rest, then cuts the connection. */
export function drainAfterAnswer(request: IncomingMessage): void {
  if (request.complete || request.destroyed) return
  const { socket } = request
  let left = DRAIN_BYTES
  // Ends the connection with it; what a program injects into an embedded registry came over none.
  const timer = setTimeout(() => request.destroy(), DRAIN_MS)
  timer.unref()
  // Counted at the socket: node:http throws the rest of a body away that nobody began to read, without a word.
  const count = (chunk: Buffer): void => {
    left -= chunk.byteLength
    if (left < 0) request.destroy()
  }
  socket.on('data', count)
  request.once('close', () => {
    clearTimeout(timer)
    socket.off('data', count)
  })
  request.resume()
}
