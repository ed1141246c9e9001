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
export async function readWhole(request: FastifyRequest, reply: FastifyReply, limit: number): Promise<Uint8Array> {
  const tooLarge = (): Error =>
    registryError('SIZE_INVALID', { status: 413, message: `the manifest is larger than ${limit} bytes` })
  if (Number(request.headers['content-length'] ?? 0) > limit) throw tooLarge()
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of readBody(request, reply)) {
    size += chunk.byteLength
    if (size > limit) throw tooLarge()
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

/** After an answer that did not wait for the whole body: takes a bounded rest, then cuts the connection. */
export function drainAfterAnswer(request: IncomingMessage): void {
  if (request.complete || request.destroyed) return
  let left = DRAIN_BYTES
  const timer = setTimeout(() => request.socket.destroy(), DRAIN_MS)
  timer.unref()
  request.on('data', (chunk: Buffer) => {
    left -= chunk.byteLength
    if (left < 0) request.socket.destroy()
  })
  request.once('close', () => clearTimeout(timer))
  request.resume()
}
