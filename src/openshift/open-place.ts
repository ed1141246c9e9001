// Opens the place that a person named as the source of a release: what it is read by, and where its signatures are found.
import { isIP } from 'node:net'
import type { SignaturePolicy } from '../bundle/judge-signature.ts'
import type { Digest } from '../oci/digest.ts'
import type { ImageSource } from '../exchange/image-source.ts'
import { registrySource } from '../exchange/registry-source.ts'
import { storeSource } from '../exchange/store-source.ts'
import { Problem } from '../config/problem.ts'
import type { Upstream } from '../mirror/upstream.ts'
import type { Context } from '../registry/context.ts'
import { readSignatures } from '../storage/signatures.ts'
import { placeOf } from '../upstream/address.ts'
import { readAuthorities } from '../upstream/authorities.ts'
import type { Fetcher } from '../upstream/fetch-small.ts'
import { openFetcher } from '../upstream/fetch-small.ts'
import { hostOf, isLocalhost } from '../upstream/origin.ts'
import { openArchive } from './archive-place.ts'
import type { ReleasePlace } from './release-place.ts'
import { readRecord } from './release-record.ts'
import type { ReleaseName } from './release-reference.ts'
import type { StoreAnswer } from './signature-stores.ts'
import { fetchSignatures } from './signature-stores.ts'

export interface OpenedPlace extends ReleasePlace {
  /** The registry behind a source of this place; undefined for what is none. */
  readonly upstreamOf: (source: unknown) => Upstream | undefined
  close(): Promise<void>
}

export interface OpenPlaceParts {
  readonly context: Context | undefined
  readonly upstreams: { find(host: string): Upstream }
  /** That a person named. */
  readonly stores: readonly string[]
  readonly isOffline: boolean
  /** Whose bundles are taken. */
  readonly bundles: SignaturePolicy
  /** As the person wrote it. */
  readonly text: string
}

/** Where every registry keeps signatures that is a Tarn. */
const OWN_STORE = '/signatures/openshift/release'

/** Throws a Problem for what is not there, and for what a person must mend. */
export async function openPlace(name: ReleaseName, parts: OpenPlaceParts): Promise<OpenedPlace> {
  const { context, upstreams, text } = parts
  const sources = new Map<string, { readonly upstream: Upstream; readonly source: ImageSource }>()
  const upstreamsOf = new Map<unknown, Upstream>()
  const sourceAt = (host: string) => {
    const known = sources.get(host)
    if (known !== undefined) return known
    const upstream = upstreams.find(host)
    // Whoever opened the client closes it.
    const source = { ...registrySource({ client: upstream.client }), close: async () => undefined }
    upstreamsOf.set(source, upstream)
    const made = { upstream, source }
    sources.set(host, made)
    return made
  }
  const common = { upstreamOf: (source: unknown) => upstreamsOf.get(source) }
  const named = openFetcher({ reach: 'anywhere' })
  if (name.kind === 'registry') {
    const { upstream, source } = sourceAt(name.host)
    const fetchers = openFetchers(upstream, named)
    return {
      ...common,
      name: text,
      source,
      repository: name.repository,
      reference: name.reference,
      origin: `${name.host}/${name.repository}`,
      elsewhere: (host) => sourceAt(host).source,
      findSignatures: (digest, stores) => fetchers.find(digest, stores, parts.stores),
      close: () => fetchers.close(),
    }
  }
  if (name.kind === 'local') {
    if (context === undefined) throw new Problem(`there is no registry here that could have ${text}`, { hint: HINT })
    return {
      ...common,
      name: text,
      source: storeSource(context, 'this registry'),
      repository: name.repository,
      reference: name.reference,
      origin: undefined,
      elsewhere: undefined,
      findSignatures: async (digest) => {
        const here = readSignatures(context.store.layout, digest)
        const signatures = here.map(({ number, bytes }) => ({ bytes, from: `.tarn/state/signatures, ${number}` }))
        return addNamed({ signatures, failures: [] }, digest, parts, named)
      },
      recorded: async (digest) => readRecord(context.store.layout, digest),
      close: () => named.close(),
    }
  }
  const archive = await openArchive({ ...name, policy: parts.bundles })
  return {
    ...common,
    name: text,
    source: archive.source,
    ...archive.image,
    origin: undefined,
    elsewhere: undefined,
    findSignatures: async (digest) =>
      addNamed({ signatures: await archive.findSignatures(digest), failures: [] }, digest, parts, named),
    recorded: archive.recorded,
    close: async () => {
      await named.close()
      await archive.close()
    },
  }
}

const HINT = 'name a release image with its registry, or the configuration of a registry that has it: --config FILE'

/** Beside what a place has itself: the stores that a person named. */
async function addNamed(
  found: StoreAnswer,
  digest: Digest,
  { stores, isOffline }: Pick<OpenPlaceParts, 'stores' | 'isOffline'>,
  fetcher: Fetcher,
): Promise<StoreAnswer> {
  if (stores.length === 0 || isOffline) return found
  const more = await fetchSignatures(stores, digest, fetcher)
  return { signatures: [...found.signatures, ...more.signatures], failures: [...found.failures, ...more.failures] }
}

// What the payload names leads to public hosts, unless the registry itself is inside: then somebody built it there.
function openFetchers({ config }: Upstream, named: Fetcher) {
  const [address = ''] = config.url
  const url = URL.parse(address)
  const host = url === null ? '' : hostOf(url)
  const isInside = isLocalhost(host) || (isIP(host) !== 0 && placeOf(host) !== 'public')
  const byPayload = openFetcher({ reach: isInside ? 'anywhere' : 'public' })
  const own = openFetcher({ reach: 'anywhere', ...(config.ca !== undefined && { ca: readAuthorities(config.ca) }) })
  return {
    async find(digest: Digest, stores: readonly string[], wanted: readonly string[]): Promise<StoreAnswer> {
      const [first, second, third] = await Promise.all([
        fetchSignatures(wanted, digest, named),
        fetchSignatures(url === null ? [] : [`${url.origin}${OWN_STORE}`], digest, own),
        fetchSignatures(stores, digest, byPayload),
      ])
      const signatures = [...first.signatures, ...second.signatures, ...third.signatures]
      const unique = signatures.filter(
        (one, index) => signatures.findIndex(({ bytes }) => bytes.equals(one.bytes)) === index,
      )
      // That a registry has no such store is no news.
      return { signatures: unique, failures: [...first.failures, ...third.failures] }
    },
    close: async () => void (await Promise.all([byPayload.close(), own.close(), named.close()])),
  }
}
