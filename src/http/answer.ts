// Answers with the headers that every answer of /v2 shares. Bodies go out as Buffers: Fastify would add a
// charset to the type of a string or an object, and clients compare these types exactly.
import type { FastifyReply } from 'fastify'

export function sendJson(reply: FastifyReply, value: unknown): FastifyReply {
  return sendBytes(reply, 'application/json', Buffer.from(`${JSON.stringify(value)}\n`))
}

export function sendBytes(reply: FastifyReply, type: string, bytes: Uint8Array): FastifyReply {
  return reply.headers({ 'content-type': type, 'content-length': bytes.byteLength }).send(bytes)
}

/** An answer without a body, whose status and headers were set. */
export function sendNothing(reply: FastifyReply): FastifyReply {
  return reply.send()
}
