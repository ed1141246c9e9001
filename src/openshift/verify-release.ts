// Whether everything of a release is at a place: every component that its payload names, every blob of it with the right
// bytes, a tag for each so that nothing collects it, what came with it (sigstore's signatures), and a signature that its
// keyrings accept. Changes nothing.
import { createHash } from 'node:crypto'
import { UnreadableTree } from '../exchange/file-tree.ts'
import type { Closure, ClosureAsk } from '../exchange/read-closure.ts'
import { readClosure, UnusableImage } from '../exchange/read-closure.ts'
import type { Descriptor } from '../oci/descriptor.ts'
import { algorithmOf } from '../oci/digest.ts'
import type { Digest } from '../oci/digest.ts'
import { requiredBlobs } from '../oci/manifest.ts'
import type { Progress } from '../registry/collect.ts'
import { UpstreamError } from '../upstream/upstream-error.ts'
import { makeTurns } from '../upstream/turns.ts'
import type { Payload } from './find-payload.ts'
import { findLostReferrers } from './find-lost-referrers.ts'
import { findPayload } from './find-payload.ts'
import { judgeRelease } from './judge-release.ts'
import type { ImagePlace, ReleasePlace } from './release-place.ts'
import { placeComponents } from './release-place.ts'
import type { ReleaseFault, VerifyReport } from './release-report.ts'
import type { TagStyle } from './release-tags.ts'
import { releaseTags } from './release-tags.ts'

export interface VerifyOrder {
  readonly place: ReleasePlace
  /** `auto` accepts the tags of either generation. */
  readonly style: TagStyle
  /** Asks for manifests and leaves the blobs unread. */
  readonly fast: boolean
  /** A release that nothing can be verified with is a fault as well. */
  readonly requireSignature: boolean
  readonly signal?: AbortSignal | undefined
  readonly onProgress?: (progress: Progress) => void
  readonly clock: () => number
}

interface BlobOf {
  readonly blob: Descriptor
  /** Components that need it; '' for the release image. */
  readonly components: string[]
  readonly at: ImagePlace
}

const MANIFESTS_AT_A_TIME = 8
const BLOBS_AT_A_TIME = 4

/** Throws a Problem for what is no release: then nothing can be said of its parts. */
export async function verifyRelease(order: VerifyOrder): Promise<VerifyReport> {
  const { place, fast, signal, clock } = order
  const began = clock()
  const payload = await findPayload(place.source, place, place.name, { signal })
  const faults: ReleaseFault[] = []
  const blobs = new Map<Digest, BlobOf>()
  const placeOf = await placeComponents({ ...place, elsewhere: undefined }, payload, signal)
  const images = new Map<Digest, { readonly component: string | undefined; readonly at: ImagePlace }>()
  images.set(payload.digest, { component: undefined, at: place })
  for (const component of payload.components) {
    const { digest, name } = component
    if (!images.has(digest)) images.set(digest, { component: name, at: placeOf(component) })
  }
  // Images and what refers to them, by the component that they are of.
  const owners = new Map<Digest, string | undefined>()
  let [manifests, referrers] = [0, 0]
  const turns = makeTurns(MANIFESTS_AT_A_TIME)
  await Promise.all(
    [...images].map(async ([digest, { component, at }]) => {
      const release = await turns.take(signal)
      try {
        const found = await readImage(at, digest, signal)
        faults.push(...found.missing.map((fault) => ({ ...fault, ...(component !== undefined && { component }) })))
        manifests += found.digests.length
        referrers += found.referrers.length
        for (const each of [...found.digests, ...found.referrers]) if (!owners.has(each)) owners.set(each, component)
        for (const blob of found.blobs) {
          const known = blobs.get(blob.digest) ?? { blob, components: [], at }
          blobs.set(blob.digest, known)
          known.components.push(component ?? '')
        }
      } finally {
        release()
      }
    }),
  )
  const record = await place.recorded?.(payload.digest)
  const repositories = new Set([place.repository, ...payload.components.map((each) => placeOf(each).repository)])
  // Where somebody else laid them out in several repositories other tags are usual: of oc-mirror, `sha256-<hex>`.
  const [components] = [...repositories].slice(-1)
  const isOurs = record?.places.some((each) => each.image === place.repository && each.components === components)
  if (repositories.size === 1 || (repositories.size === 2 && isOurs === true))
    faults.push(...(await checkTags(order, payload, components)))
  const wanted = record?.referrers.filter((each) => repositories.has(each.repository)) ?? []
  faults.push(...(await findLostReferrers(place.source, wanted, owners, signal)))
  let bytes = 0
  if (!fast) bytes = await checkBlobs(order, [...blobs.values()], faults)
  const { report: signature } = await judgeRelease(payload, { find: place.findSignatures, now: new Date(clock()) })
  if (signature.state === 'wrong' || signature.state === 'unsigned' || order.requireSignature) {
    if (signature.state !== 'verified') faults.push({ kind: 'signature', what: signature.what, digest: payload.digest })
  }
  return {
    name: place.name,
    version: payload.version,
    digest: payload.digest,
    components: payload.components.length,
    manifests,
    referrers,
    recorded: record !== undefined && (record.places.length > 0 || wanted.some(({ subject }) => owners.has(subject))),
    blobs: blobs.size,
    bytes,
    fast,
    seconds: (clock() - began) / 1000,
    faults: faults.toSorted((a, b) => compare(a.component ?? '', b.component ?? '') || compare(a.kind, b.kind)),
    signature,
    ok: faults.length === 0,
  }
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

interface ReadOne {
  /** Of its manifests. */
  readonly digests: readonly Digest[]
  /** What refers to it. */
  readonly referrers: readonly Digest[]
  /** Of both. */
  readonly blobs: readonly Descriptor[]
  readonly missing: readonly ReleaseFault[]
}

async function readImage(
  { source, repository }: ImagePlace,
  digest: Digest,
  signal: AbortSignal | undefined,
): Promise<ReadOne> {
  try {
    const ask = {
      source,
      repository,
      reference: { kind: 'digest', digest } as const,
      platforms: 'all',
      signal,
    } as const
    const { closure, broken } = await readWithReferrers(ask)
    const { manifests, followers, absent } = closure
    return {
      digests: manifests.map((each) => each.digest),
      referrers: [...new Set(followers.map((each) => each.digest))],
      blobs: [...manifests, ...followers].flatMap(({ manifest }) => requiredBlobs(manifest)),
      missing: [
        ...absent.map((child) => ({
          kind: 'missing image' as const,
          digest: child,
          what: `the list ${digest} names it, and it is not here`,
        })),
        ...(broken === undefined
          ? []
          : [{ kind: 'missing referrer' as const, digest, what: `what refers to it cannot be read: ${broken}` }]),
      ],
    }
  } catch (error) {
    signal?.throwIfAborted()
    if (!(error instanceof UnusableImage || error instanceof UnreadableTree)) throw error
    return { digests: [], referrers: [], blobs: [], missing: [{ kind: 'missing image', digest, what: error.message }] }
  }
}

/** An image is none the worse for what refers to it: where that is `broken`, the image alone. */
async function readWithReferrers(
  ask: Omit<ClosureAsk, 'referrers'>,
): Promise<{ readonly closure: Closure; readonly broken?: string }> {
  try {
    return { closure: await readClosure({ ...ask, referrers: true }) }
  } catch (error) {
    ask.signal?.throwIfAborted()
    const closure = await readClosure({ ...ask, referrers: false })
    // A registry that lists no referrers says nothing about them.
    if (error instanceof UpstreamError) return { closure }
    if (error instanceof UnusableImage || error instanceof UnreadableTree) return { closure, broken: error.message }
    throw error
  }
}

async function checkTags(
  { place, style, signal }: VerifyOrder,
  payload: Payload,
  repository: ImagePlace['repository'],
): Promise<ReleaseFault[]> {
  const { source } = place
  // The image itself may have any tag; what its components are called is what can be told.
  const styles = style === 'auto' && !payload.isList ? (['plain', 'arch'] as const) : ([style] as const)
  const wanted = new Map<string, { digest: Digest; tags: string[] }>()
  const found = new Map<string, Digest | undefined>()
  const turns = makeTurns(MANIFESTS_AT_A_TIME)
  for (const each of styles) {
    for (const { component, tag, digest } of releaseTags(payload, each)) {
      if (component === undefined) continue
      const known = wanted.get(component) ?? { digest, tags: [] }
      if (!known.tags.includes(tag)) known.tags.push(tag)
      wanted.set(component, known)
    }
  }
  await Promise.all(
    [...wanted].flatMap(([component, { digest, tags }]) =>
      tags.map(async (tag) => {
        const release = await turns.take(signal)
        try {
          const reference = { kind: 'tag', tag: tag as never } as const
          const digestOfTag = (await source.readManifest(repository, reference, { signal }))?.digest
          if (digestOfTag !== undefined) found.set(`${component} ${tag}`, digestOfTag)
          if (digestOfTag === digest) found.set(component, digest)
        } finally {
          release()
        }
      }),
    ),
  )
  return [...wanted].flatMap(([component, { digest, tags }]): ReleaseFault[] => {
    if (found.has(component)) return []
    const other = tags.find((tag) => found.has(`${component} ${tag}`))
    if (other !== undefined)
      return [{ kind: 'other image under the tag', component, digest, what: `${other} is another image` }]
    const what = `no tag ${tags.join(' or ')}: a collection may take it`
    return [{ kind: 'missing tag', component, digest, what }]
  })
}

async function checkBlobs(
  { signal, onProgress }: VerifyOrder,
  blobs: readonly BlobOf[],
  faults: ReleaseFault[],
): Promise<number> {
  let [bytes, done] = [0, 0]
  const turns = makeTurns(BLOBS_AT_A_TIME)
  await Promise.all(
    blobs.map(async ({ blob, components, at }) => {
      const release = await turns.take(signal)
      try {
        const fault = await checkBlob(at, blob, signal, (count) => (bytes += count))
        if (fault !== undefined) faults.push(nameFault(fault, components))
      } finally {
        release()
        onProgress?.({ phase: 'blobs', done: (done += 1), total: blobs.length, bytes })
      }
    }),
  )
  return bytes
}

/** Of a blob that several images share the first component is named, and how many more there are. */
function nameFault(fault: ReleaseFault, components: readonly string[]): ReleaseFault {
  const named = [...new Set(components)].filter((each) => each !== '').toSorted()
  const [component, ...others] = named
  if (component === undefined) return fault
  const more = others.length === 0 ? '' : ` (shared with ${others.length} more)`
  return { ...fault, component, what: `${fault.what}${more}` }
}

async function checkBlob(
  { source, repository }: ImagePlace,
  blob: Descriptor,
  signal: AbortSignal | undefined,
  onBytes: (count: number) => void,
): Promise<ReleaseFault | undefined> {
  const { digest, size } = blob
  const hash = createHash(algorithmOf(digest))
  let length = 0
  try {
    for await (const piece of await source.openBlob(repository, blob, { signal })) {
      hash.update(piece as Buffer)
      length += (piece as Buffer).length
      onBytes((piece as Buffer).length)
    }
  } catch (error) {
    signal?.throwIfAborted()
    return { kind: 'missing blob', digest, what: (error as Error).message }
  }
  if (length === size && `${algorithmOf(digest)}:${hash.digest('hex')}` === digest) return undefined
  return { kind: 'wrong blob', digest, what: `its ${length} bytes are not those of ${digest}, which has ${size}` }
}
