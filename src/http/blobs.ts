// /v2/<name>/blobs/<digest> (distribution-spec "Pulling blobs", "Deleting blobs").
import { randomBytes } from 'node:crypto'
import type { IncomingHttpHeaders, ServerResponse } from 'node:http'
import type { FastifyReply } from 'fastify'
import { parseDigest } from '../oci/digest.ts'
import { registryError } from '../oci/errors.ts'
import { parseRepositoryName } from '../oci/name.ts'
import { deleteBlob } from '../registry/delete.ts'
import type { PulledBlob } from '../registry/pull-blob.ts'
import { sendNothing } from './answer.ts'
import type { Call } from './call.ts'
import { isGone } from './errors.ts'
import { matchesEtag } from './etag.ts'
import { waitForTurn } from './protocol.ts'
import type { ByteRange } from './range.ts'
import { parseRange } from './range.ts'

const TYPE = 'application/octet-stream'

export async function headBlob({ source, request, reply, target, turn }: Call<'blob'>): Promise<FastifyReply> {
  const digest = parseDigest(target.digest)
  const size = await source.statBlob(parseRepositoryName(target.name), digest)
  await turn()
  describe(reply, digest)
  if (matchesEtag(request.headers['if-none-match'], digest)) return sendNothing(reply.code(304))
  return sendNothing(reply.headers({ 'content-type': TYPE, 'content-length': size }))
}

export async function getBlob(call: Call<'blob'>): Promise<FastifyReply | void> {
  const { source, request, reply, target } = call
  const digest = parseDigest(target.digest)
  const rangeHeader = rangeOf(request.headers, digest)
  // Requests that were sent ahead wait without an open file and without buffers.
  await waitForTurn(request.raw, reply.raw)
  const blob = await source.pullBlob(parseRepositoryName(target.name), digest, rangeHeader !== undefined)
  try {
    describe(reply, digest)
    if (matchesEtag(request.headers['if-none-match'], digest)) return sendNothing(reply.code(304))
    const result = parseRange(rangeHeader, blob.size)
    if (result.kind === 'unsatisfiable') {
      throw registryError('RANGE_INVALID', { headers: { 'content-range': `bytes */${blob.size}` } })
    }
    await sendParts(reply, blob, result.kind === 'ranges' ? result.ranges : undefined)
  } finally {
    await blob.close()
  }
}

export async function removeBlob({ context, reply, target }: Call<'blob'>): Promise<FastifyReply> {
  await deleteBlob(context, parseRepositoryName(target.name), parseDigest(target.digest))
  return sendNothing(reply.code(202))
}

function describe(reply: FastifyReply, digest: string): void {
  reply.headers({
    'accept-ranges': 'bytes',
    'cache-control': 'max-age=31536000',
    'docker-content-digest': digest,
    etag: `"${digest}"`,
  })
}

// A Range that is bound to another state of the blob (If-Range, RFC 9110 section 13.1.5) does not count.
function rangeOf(headers: IncomingHttpHeaders, digest: string): string | undefined {
  const condition = headers['if-range']
  return condition === undefined || condition === `"${digest}"` ? headers.range : undefined
}

interface Part {
  readonly head: string
  readonly range: ByteRange
}

// Past Fastify: its stream reply takes 64 KiB at a time, where two large buffers give three times the bytes.
async function sendParts(
  reply: FastifyReply,
  blob: PulledBlob,
  ranges: readonly ByteRange[] | undefined,
): Promise<void> {
  const [only, second] = ranges ?? [{ start: 0, end: blob.size }]
  if (only === undefined) return
  const contentRange = ({ start, end }: ByteRange): string => `bytes ${start}-${end - 1}/${blob.size}`
  const boundary = randomBytes(16).toString('hex')
  const parts: Part[] =
    second === undefined
      ? [{ head: '', range: only }]
      : (ranges ?? []).map((range) => ({
          head: `\r\n--${boundary}\r\nContent-Type: ${TYPE}\r\nContent-Range: ${contentRange(range)}\r\n\r\n`,
          range,
        }))
  const tail = second === undefined ? '' : `\r\n--${boundary}--\r\n`
  const length = parts.reduce((sum, { head, range }) => sum + head.length + range.end - range.start, tail.length)

  reply.header('content-length', length)
  reply.header('content-type', second === undefined ? TYPE : `multipart/byteranges; boundary=${boundary}`)
  if (ranges !== undefined && second === undefined) reply.header('content-range', contentRange(only))
  reply.hijack()
  const { raw } = reply
  raw.writeHead(ranges === undefined ? 200 : 206, reply.getHeaders() as Record<string, string>)
  raw.once('close', () => blob.leave())
  try {
    for (const { head, range } of parts) {
      if (head !== '') await write(raw, Buffer.from(head, 'latin1'))
      if (range.end > range.start) await blob.send(range, (chunk) => write(raw, chunk))
      // An empty blob has no last byte to withhold.
    }
    raw.end(tail)
  } catch (error) {
    // The end must be missing, so that no client takes what it has for the blob.
    raw.destroy()
    if (!isGone(error)) reply.log.error({ err: error, digest: blob.digest }, 'blob not sent to its end')
  }
}

function write(raw: ServerResponse, chunk: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    if (raw.destroyed) {
      reject(gone())
      return
    }
    const onClose = (): void => reject(gone())
    raw.once('close', onClose)
    raw.write(chunk, (error) => {
      raw.off('close', onClose)
      if (error) reject(error)
      else resolve()
    })
  })
}

function gone(): Error {
  return Object.assign(new Error('the client is gone'), { code: 'ECONNRESET' })
}
