// /v2/<name>/manifests/<reference> (distribution-spec "Pulling manifests", "Pushing manifests", "Deleting").
import type { FastifyReply } from 'fastify'
import { parseMediaType } from '../oci/media-type.ts'
import { registryError } from '../oci/errors.ts'
import { parseRepositoryName } from '../oci/name.ts'
import type { Reference } from '../oci/reference.ts'
import { parseReference, parseTag } from '../oci/reference.ts'
import { requireWritable } from '../registry/context.ts'
import { deleteManifest } from '../registry/delete.ts'
import type { Wishes } from '../registry/pull-manifest.ts'
import { notePull } from '../registry/pull-manifest.ts'
import { pushManifest } from '../registry/push-manifest.ts'
import { INODES_OF_ONE } from '../storage/room.ts'
import { sendBytes, sendNothing } from './answer.ts'
import { readWhole } from './body.ts'
import type { Call } from './call.ts'
import { matchesEtag } from './etag.ts'

// The specification asks for at least 10; a header of all of them must stay small.
const MOST_TAGS = 100

export async function getManifest(call: Call<'manifest'>): Promise<FastifyReply> {
  const { context, source, request, reply, target } = call
  const name = parseRepositoryName(target.name)
  const reference = readable(target.reference)
  const stored = await source.pullManifest(name, reference, wishesOf(request.headers.accept))
  if (request.method === 'HEAD') await source.promiseManifest(name, reference, stored.digest)
  else notePull(context, name, stored.digest)
  await call.turn()
  reply.headers({ 'docker-content-digest': stored.digest, etag: `"${stored.digest}"` })
  if (stored.age !== undefined) reply.header('age', stored.age)
  if (stored.warning !== undefined) reply.header('warning', stored.warning)
  if (matchesEtag(request.headers['if-none-match'], stored.digest)) return sendNothing(reply.code(304))
  if (request.method !== 'HEAD') return sendBytes(reply, stored.manifest.mediaType, stored.bytes)
  reply.headers({ 'content-type': stored.manifest.mediaType, 'content-length': stored.bytes.byteLength })
  return sendNothing(reply)
}

export async function putManifest(call: Call<'manifest'>): Promise<FastifyReply> {
  const { context, request, reply, target, query } = call
  const name = parseRepositoryName(target.name)
  const reference = parseReference(target.reference)
  const tags = query.getAll('tag').map(parseTag)
  if (tags.length > MOST_TAGS) {
    throw registryError('UNSUPPORTED', { status: 414, message: `more than ${MOST_TAGS} tags in one request` })
  }
  requireWritable(context)
  context.store.room.requireSpace(Number(request.headers['content-length'] ?? 0), INODES_OF_ONE)
  const bytes = await readWhole(request, reply, call.manifestLimit)
  await call.source.prepareManifest(name, bytes)
  const contentType = request.headers['content-type']
  const pushed = await pushManifest(context, { name, reference, tags, bytes, contentType })
  reply.code(201).headers({
    location: `${call.base}/v2/${name}/manifests/${pushed.digest}`,
    'docker-content-digest': pushed.digest,
  })
  if (pushed.subject !== undefined) reply.header('oci-subject', pushed.subject)
  if (tags.length > 0) reply.header('oci-tag', tags.join(', '))
  return sendNothing(reply)
}

export async function removeManifest({ context, reply, target }: Call<'manifest'>): Promise<FastifyReply> {
  await deleteManifest(context, parseRepositoryName(target.name), readable(target.reference))
  return sendNothing(reply.code(202))
}

// Reading what cannot exist is a 404, as clients and suites expect; a malformed digest is told as such.
function readable(text: string): Reference {
  try {
    return parseReference(text)
  } catch (error) {
    if (text.includes(':')) throw error
    throw registryError('MANIFEST_UNKNOWN', { detail: { Tag: text } })
  }
}

// q-values are ignored, as in distribution. Whoever names docker's image type and neither its list type
// nor a wildcard was written before lists.
function wishesOf(accept: string | undefined): Wishes {
  const types = new Set((accept ?? '*/*').split(',').map((part) => parseMediaType(part) ?? part.trim()))
  const old =
    types.has('application/vnd.docker.distribution.manifest.v2+json') &&
    !types.has('application/vnd.docker.distribution.manifest.list.v2+json') &&
    !types.has('application/*') &&
    !types.has('*/*')
  return { knowsDockerLists: !old }
}
