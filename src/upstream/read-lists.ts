// Tags and referrers of an upstream's repository, page after page. Lists of strangers are capped in pages, bytes and
// entries, and each entry must be what it says or is left out.
import type { Descriptor } from '../oci/descriptor.ts'
import type { Digest } from '../oci/digest.ts'
import type { Manifest } from '../oci/manifest.ts'
import { readManifest } from '../oci/manifest.ts'
import { OCI_INDEX } from '../oci/media-type.ts'
import type { RepositoryName } from '../oci/name.ts'
import { isRepositoryName } from '../oci/name.ts'
import type { Tag } from '../oci/reference.ts'
import { isTag, parseTag } from '../oci/reference.ts'
import { subjectTagOf } from '../oci/subject-tag.ts'
import type { Ask, Endpoint } from './endpoint.ts'
import { readNextQuery } from './link.ts'
import { getManifest } from './read-manifest.ts'
import { readSmall } from './transport.ts'
import { UpstreamError } from './upstream-error.ts'

export interface TagList {
  readonly tags: readonly Tag[]
  /** False when a cap ended the list. */
  readonly complete: boolean
}

export interface RepositoryList {
  readonly repositories: readonly RepositoryName[]
  /** False when a cap ended the list. */
  readonly complete: boolean
}

export interface ReferrerList {
  readonly descriptors: readonly Descriptor[]
  /** The referrers API, the tag `sha256-<hex>` that stands in for it, or neither: then there are none. */
  readonly via: 'api' | 'tag' | 'nothing'
  readonly complete: boolean
}

export interface ListAsk {
  readonly repository: RepositoryName
  readonly signal?: AbortSignal
  readonly mostPages: number
  readonly mostEntries: number
  /** Bytes of one page, and of a manifest that stands in for a list. */
  readonly largest: number
}

// What clients take for "this registry has no referrers API".
const NO_API = new Set([400, 404, 405, 406])
// Docker Hub, Quay, GitHub and most clouds: the list is not for everybody, or there is none.
const NO_CATALOG = new Set([400, 401, 403, 404, 405, 406, 501])
const CATALOG = 'registry:catalog:*'

/**
 * All repositories that the upstream lists to this login (distribution's "Listing Repositories"), in its order, each once;
 * names that cannot be here are left out. Throws an UpstreamError that says what to do where it lists none.
 */
export async function listRepositories(endpoint: Endpoint, ask: Omit<ListAsk, 'repository'>): Promise<RepositoryList> {
  const found = new Set<RepositoryName>()
  let complete = true
  try {
    for await (const bytes of readPages(endpoint, { ...ask, repository: '' }, '/_catalog', '?n=1000', CATALOG)) {
      for (const name of readNames(bytes, endpoint, 'repositories')) {
        if (typeof name !== 'string' || !isRepositoryName(name)) continue
        if (found.size === ask.mostEntries && !found.has(name)) return { repositories: [...found], complete: false }
        found.add(name)
      }
      complete = bytes.last
    }
  } catch (error) {
    if (!(error instanceof UpstreamError) || error.status === undefined || !NO_CATALOG.has(error.status)) throw error
    throw new UpstreamError(error.kind, `${hostOfUrl(endpoint)} does not list its repositories to this login`, {
      hint: 'name the repositories one by one, such as {from: registry.corp/team/app}',
      status: error.status,
      cause: error,
    })
  }
  return { repositories: [...found], complete }
}

/** All tags, in the upstream's order, each once; what is no tag is left out. Throws an UpstreamError. */
export async function listTags(endpoint: Endpoint, ask: ListAsk): Promise<TagList> {
  const tags = new Set<Tag>()
  let complete = true
  for await (const bytes of readPages(endpoint, ask, '/tags/list', '?n=1000')) {
    for (const tag of readNames(bytes, endpoint, 'tags')) {
      if (typeof tag !== 'string' || !isTag(tag)) continue
      if (tags.size === ask.mostEntries && !tags.has(tag)) return { tags: [...tags], complete: false }
      tags.add(tag)
    }
    complete = bytes.last
  }
  return { tags: [...tags], complete }
}

/**
 * What refers to `digest` (distribution-spec "Listing Referrers"), by the API or by the tag schema. Anything but
 * an answer throws an UpstreamError: no answer must never look like "nobody signed this" (R20).
 */
export async function listReferrers(endpoint: Endpoint, digest: Digest, ask: ListAsk): Promise<ReferrerList> {
  try {
    const found: Descriptor[] = []
    let complete = true
    for await (const page of readPages(endpoint, ask, `/referrers/${digest}`, '')) {
      found.push(...readIndex(page, endpoint).manifests)
      if (found.length > ask.mostEntries)
        return { descriptors: found.slice(0, ask.mostEntries), via: 'api', complete: false }
      complete = page.last
    }
    return { descriptors: found, via: 'api', complete }
  } catch (error) {
    if (!(error instanceof UpstreamError) || error.status === undefined || !NO_API.has(error.status)) throw error
  }
  return listByTag(endpoint, digest, ask)
}

/** Whether the registry answers for what refers to `digest`. Throws an UpstreamError for no answer at all. */
export async function hasReferrersApi(
  endpoint: Endpoint,
  { repository, digest, largest, signal }: Pick<ListAsk, 'repository' | 'largest' | 'signal'> & { digest: Digest },
): Promise<boolean> {
  const ask = { repository, mostPages: 1, mostEntries: 1, largest, ...(signal && { signal }) }
  try {
    for await (const page of readPages(endpoint, ask, `/referrers/${digest}`, '')) readIndex(page, endpoint)
    return true
  } catch (error) {
    if (error instanceof UpstreamError && error.status !== undefined && NO_API.has(error.status)) return false
    throw error
  }
}

async function listByTag(endpoint: Endpoint, digest: Digest, ask: ListAsk): Promise<ReferrerList> {
  const tag = parseTag(subjectTagOf(digest))
  try {
    const { bytes } = await getManifest(endpoint, { ...ask, reference: { kind: 'tag', tag } })
    const { manifests } = readIndex(bytes, endpoint)
    const complete = manifests.length <= ask.mostEntries
    return { descriptors: manifests.slice(0, ask.mostEntries), via: 'tag', complete }
  } catch (error) {
    if (!(error instanceof UpstreamError) || error.kind !== 'notFound') throw error
    return { descriptors: [], via: 'nothing', complete: true }
  }
}

type Page = Buffer & { readonly last: boolean }

/** Pages by Link; a page that comes again is an upstream that runs in circles. */
async function* readPages(
  endpoint: Endpoint,
  { repository, signal, mostPages, largest }: Omit<ListAsk, 'repository'> & { readonly repository: string },
  path: string,
  start: string,
  actions?: Ask['actions'],
): AsyncGenerator<Page, void, void> {
  const seen = new Set<string>()
  let query: string | undefined = start
  for (let number = 1; query !== undefined && number <= mostPages; number += 1) {
    if (seen.has(query)) throw new UpstreamError('invalid', `${hostOfUrl(endpoint)} gives a list that never ends`)
    seen.add(query)
    const incoming = await endpoint.ask({
      method: 'GET',
      lane: 'manifests',
      repository,
      path: `${path}${query}`,
      headers: { accept: `application/json, ${OCI_INDEX}` },
      ...(actions && { actions }),
      ...(signal && { signal }),
    })
    const bytes = await readSmall(incoming, largest, signal)
    query = readNextQuery(incoming.headers('link'))
    yield Object.assign(bytes, { last: query === undefined })
  }
}

function readNames(bytes: Buffer, endpoint: Endpoint, what: 'tags' | 'repositories'): readonly unknown[] {
  let answer: unknown
  try {
    answer = JSON.parse(bytes.toString('utf8'))
  } catch (cause) {
    throw new UpstreamError('invalid', `${hostOfUrl(endpoint)} gives a list of ${what} that is not JSON`, { cause })
  }
  const isObject = typeof answer === 'object' && answer !== null && !Array.isArray(answer)
  const names = isObject ? ((answer as Record<string, unknown>)[what] ?? []) : undefined
  if (Array.isArray(names)) return names
  throw new UpstreamError('invalid', `${hostOfUrl(endpoint)} gives no list of ${what} when asked for one`)
}

function readIndex(bytes: Buffer, endpoint: Endpoint): Manifest {
  let manifest: Manifest
  try {
    manifest = readManifest(bytes)
  } catch (cause) {
    throw new UpstreamError('invalid', `${hostOfUrl(endpoint)} gives referrers that are no index`, { cause })
  }
  if (manifest.kind === 'index') return manifest
  throw new UpstreamError('invalid', `${hostOfUrl(endpoint)} gives referrers that are no index`)
}

function hostOfUrl(endpoint: Endpoint): string {
  return new URL(endpoint.url).host
}
