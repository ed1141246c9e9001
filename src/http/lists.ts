// /v2/_catalog, /v2/<name>/tags/list and /v2/<name>/referrers/<digest> (distribution-spec "Content Discovery").
import { Readable } from 'node:stream'
import type { FastifyReply } from 'fastify'
import { parseDigest } from '../oci/digest.ts'
import { registryError } from '../oci/errors.ts'
import { describeReferrer } from '../oci/manifest.ts'
import { parseRepositoryName } from '../oci/name.ts'
import { listRepositories, takePage } from '../registry/list.ts'
import { sendBytes, sendJson } from './answer.ts'
import type { Call, Exchange } from './call.ts'

// A list of referrers is one JSON document that clients cap at 4 MiB.
const REFERRERS_BYTES = 4 * 1024 * 1024 - 64 * 1024
const CHUNK_OF_TAGS = 1000

export async function getCatalog(call: Call<'catalog'>): Promise<FastifyReply> {
  const size = pageSize(call.query, call.pages.catalog) ?? call.pages.catalog
  const page = await takePage(listRepositories(call.context, call.query.get('last') ?? ''), size)
  if (page.more) link(call, '/v2/_catalog', { last: page.items.at(-1) ?? '', n: String(size) })
  return sendJson(call.reply, { repositories: page.items })
}

export async function getTags(call: Call<'tags'>): Promise<FastifyReply> {
  const name = parseRepositoryName(call.target.name)
  const size = pageSize(call.query, call.pages.tags)
  const tags = await call.source.listTags(name, call.query.get('last') ?? '')
  if (size === undefined) {
    // Whole, since a reader that follows no Link would miss the rest; in pieces, since it may be long.
    const pieces = Readable.from(jsonOfTags(name, tags), { objectMode: false })
    return call.reply.header('content-type', 'application/json').send(pieces)
  }
  const page = await takePage(tags, size)
  if (page.more) link(call, `/v2/${name}/tags/list`, { last: page.items.at(-1) ?? '', n: String(size) })
  return sendJson(call.reply, { name, tags: page.items })
}

async function* jsonOfTags(name: string, tags: AsyncIterable<string>): AsyncGenerator<Buffer> {
  let text = `{"name":${JSON.stringify(name)},"tags":[`
  let count = 0
  for await (const tag of tags) {
    text += count === 0 ? JSON.stringify(tag) : `,${JSON.stringify(tag)}`
    count += 1
    if (count % CHUNK_OF_TAGS === 0) {
      yield Buffer.from(text)
      text = ''
    }
  }
  yield Buffer.from(`${text}]}\n`)
}

export async function getReferrers(call: Call<'referrers'>): Promise<FastifyReply> {
  const name = parseRepositoryName(call.target.name)
  const digest = parseDigest(call.target.digest)
  const wanted = call.query.get('artifactType')
  const last = call.query.get('last') ?? ''
  const manifests: object[] = []
  let bytes = 0
  let lastSent = ''
  for await (const stored of await call.source.listReferrers(name, digest, last)) {
    const descriptor = describeReferrer(stored.manifest, stored.digest, stored.bytes.byteLength)
    if (wanted !== null && descriptor.artifactType !== wanted) continue
    bytes += Buffer.byteLength(JSON.stringify(descriptor)) + 1
    if (bytes > REFERRERS_BYTES && manifests.length > 0) {
      const more = wanted === null ? {} : { artifactType: wanted }
      link(call, `/v2/${name}/referrers/${digest}`, { ...more, last: lastSent })
      break
    }
    manifests.push(descriptor)
    lastSent = stored.digest
  }
  if (wanted !== null) call.reply.header('oci-filters-applied', 'artifactType')
  const mediaType = 'application/vnd.oci.image.index.v1+json'
  return sendBytes(call.reply, mediaType, Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, manifests })))
}

// What is above the maximum is clamped: it costs nothing and clients ask for a million.
function pageSize(query: URLSearchParams, most: number): number | undefined {
  const text = query.get('n')
  if (text === null) return undefined
  if (!/^\d+$/.test(text)) throw registryError('PAGINATION_NUMBER_INVALID', { detail: { n: text } })
  return Math.min(Number(text), most)
}

// RFC 8288; path only and parameters in alphabetic order, as distribution writes it.
function link({ reply, prefix }: Exchange, path: string, parameters: Record<string, string>): void {
  reply.header('link', `<${prefix}${path}?${new URLSearchParams(parameters).toString()}>; rel="next"`)
}
