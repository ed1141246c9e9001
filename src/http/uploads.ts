// /v2/<name>/blobs/uploads/ (distribution-spec "Pushing blobs": POST then PUT, single POST, in chunks,
// mounting, cancelling). Uploads have no state but their directory: the Location is the same throughout.
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Algorithm, Digest } from '../oci/digest.ts'
import { ALGORITHMS, algorithmOf, digestOf, parseDigest } from '../oci/digest.ts'
import { RegistryError, registryError } from '../oci/errors.ts'
import type { RepositoryName } from '../oci/name.ts'
import { parseRepositoryName } from '../oci/name.ts'
import { appendUpload, beginUpload, cancelUpload, finishUpload, mountBlob } from '../registry/push-blob.ts'
import type { Chunk, UploadKey } from '../storage/uploads.ts'
import { sendNothing } from './answer.ts'
import { hasBody, readBody } from './body.ts'
import type { Call, Exchange } from './call.ts'
import { formatReceived, parseContentRange } from './range.ts'

export async function postUpload(call: Call<'uploads'>): Promise<FastifyReply> {
  const { context, request, reply, target, query, user } = call
  const name = parseRepositoryName(target.name)
  const mount = query.get('mount')
  if (mount !== null) {
    const digest = parseDigest(mount)
    if (await tryMount(call, name, digest)) return sendCreated(call, name, digest)
  }
  const digestText = mount === null ? query.get('digest') : null
  const digest = digestText === null ? undefined : parseDigest(digestText)
  const algorithm = digest ? algorithmOf(digest) : algorithmAsked(query)
  const key = await beginUpload(context, name, user, algorithm, digest ? announcedOf(request) : 0)
  // `?digest=` without a body is the whole blob only if the blob is empty.
  if (digest === undefined || !(hasBody(request) || digest === digestOf(new Uint8Array(), algorithmOf(digest)))) {
    return sendNothing(describe(call, key, reply.code(202)))
  }
  try {
    await finishUpload(context, key, digest, chunkOf(call))
  } catch (error) {
    // The client never learned where the upload is.
    await cancelUpload(context, key).catch(() => undefined)
    throw error
  }
  return sendCreated(call, name, digest)
}

export async function getUpload(call: Call<'upload'>): Promise<FastifyReply> {
  return sendNothing(describe(call, keyOf(call), call.reply.code(204)))
}

export async function patchUpload(call: Call<'upload'>): Promise<FastifyReply> {
  const key = keyOf(call)
  await withOffset(call, key, () => appendUpload(call.context, key, chunkOf(call)))
  return sendNothing(describe(call, key, call.reply.code(202)))
}

export async function putUpload(call: Call<'upload'>): Promise<FastifyReply> {
  const key = keyOf(call)
  await withOffset(call, key, async () => {
    const announced = call.request.headers['content-range'] !== undefined
    const chunk = hasBody(call.request) || announced ? chunkOf(call) : undefined
    // The place of the chunk is judged before the digest: a chunk out of order can be sent again.
    if (chunk?.start !== undefined && chunk.start !== call.context.store.uploads.received(key)) {
      throw registryError('RANGE_INVALID')
    }
    const digest = call.query.get('digest')
    if (digest === null) {
      throw registryError('DIGEST_INVALID', { message: 'the query lacks digest=<the digest of the whole blob>' })
    }
    await finishUpload(call.context, key, parseDigest(digest), chunk)
  })
  return sendCreated(call, key.name, parseDigest(call.query.get('digest') ?? ''))
}

export async function deleteUpload(call: Call<'upload'>): Promise<FastifyReply> {
  const key = keyOf(call)
  await cancelUpload(call.context, key)
  return sendNothing(call.reply.code(204).header('docker-upload-uuid', key.id))
}

function keyOf({ context, target, user }: Call<'upload'>): UploadKey {
  return context.store.uploads.find(parseRepositoryName(target.name), target.id, user)
}

async function tryMount(call: Call<'uploads'>, name: RepositoryName, digest: Digest): Promise<boolean> {
  const { context, query, user, mayPull, resolve } = call
  const from = query.get('from')
  const source = from === null || from === '' ? undefined : parseRepositoryName(resolve(from, undefined, undefined))
  // Whether a blob exists somewhere is told only to those who may read it there (R9).
  return mayPull(user, source) && mountBlob(context, name, digest, source)
}

// `?digest-algorithm=` of the next specification; only a foresight, the digest at the end decides.
function algorithmAsked(query: URLSearchParams): Algorithm {
  const asked = query.get('digest-algorithm') ?? 'sha256'
  const algorithm = ALGORITHMS.find((known) => known === asked)
  if (algorithm === undefined) {
    throw registryError('DIGEST_INVALID', { message: 'unsupported digest-algorithm: use sha256 or sha512' })
  }
  return algorithm
}

function chunkOf({ request, reply }: Exchange): Chunk {
  const source = readBody(request, reply)
  const header = request.headers['content-range']
  const stop = (): void => void request.raw.destroy()
  const announced = announcedOf(request)
  if (header === undefined) return { source, stop, announced }
  const range = parseContentRange(header)
  if (range === undefined) {
    throw registryError('RANGE_INVALID', { message: 'malformed Content-Range: expected <first>-<last>' })
  }
  const length = request.headers['content-length']
  if (length !== undefined && Number(length) !== range.length) throw registryError('SIZE_INVALID')
  return { source, stop, announced, ...range }
}

// A body that comes in chunks says nothing of its size; it goes as far as there is room.
function announcedOf({ headers }: FastifyRequest): number {
  return Number(headers['content-length'] ?? 0)
}

// A client that is told its chunk does not fit is told in the same answer what is there.
async function withOffset<T>(call: Call<'upload'>, key: UploadKey, act: () => Promise<T>): Promise<T> {
  try {
    return await act()
  } catch (error) {
    if (error instanceof RegistryError && error.code === 'RANGE_INVALID') describe(call, key, call.reply)
    throw error
  }
}

function describe(call: Exchange, key: UploadKey, reply: FastifyReply): FastifyReply {
  return reply.headers({
    location: `${call.base}/v2/${key.name}/blobs/uploads/${key.id}`,
    range: formatReceived(call.context.store.uploads.received(key)),
    'docker-upload-uuid': key.id,
  })
}

function sendCreated({ base, reply }: Exchange, name: RepositoryName, digest: Digest): FastifyReply {
  const location = `${base}/v2/${name}/blobs/${digest}`
  return sendNothing(reply.code(201).headers({ location, 'docker-content-digest': digest }))
}
