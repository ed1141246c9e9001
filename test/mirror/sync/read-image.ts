import t from 'tap'
import type { ImageAsk } from '../../../src/mirror/sync/read-image.ts'
import { readImage } from '../../../src/mirror/sync/read-image.ts'
import type { FoundManifest } from '../../../src/mirror/sync/wanted-manifests.ts'
import type { Descriptor } from '../../../src/oci/descriptor.ts'
import type { Digest } from '../../../src/oci/digest.ts'
import type { Reference, Tag } from '../../../src/oci/reference.ts'
import { subjectTagOf } from '../../../src/oci/subject-tag.ts'
import type { StoredManifest } from '../../../src/storage/manifests.ts'
import { UpstreamError } from '../../../src/upstream/upstream-error.ts'
import { imageOf, indexOf, meantOf } from '../../helpers/sync-facts.ts'

const amd64 = imageOf('amd64', { a: 1 })
const arm64 = imageOf('arm64', { b: 1 })
const index = indexOf([amd64, { platform: 'linux/amd64' }], [arm64, { platform: 'linux/arm64' }])
const signature = imageOf('signature', { s: 1 })
const sbom = imageOf('sbom', { x: 1 })
const sbomSignature = imageOf('sbom-signature', { y: 1 })
const SIG = `${subjectTagOf(amd64.digest)}.sig` as Tag
const BASE = subjectTagOf(amd64.digest) as Tag

interface Registry {
  readonly tags?: Readonly<Record<string, FoundManifest>>
  readonly manifests?: readonly FoundManifest[]
  readonly here?: readonly FoundManifest[]
  /** What refers to what. */
  readonly referrers?: readonly (readonly [subject: FoundManifest, follower: FoundManifest])[]
  readonly via?: 'api' | 'tag'
  /** What fails, and how: `HEAD 1`, `GET sha256:…`, `LIST sha256:…`. */
  readonly faults?: Readonly<Record<string, UpstreamError['kind']>>
  readonly tellsNoDigest?: true
}

function open(registry: Registry) {
  const { tags = {}, manifests = [], here = [], referrers = [], via = 'api', faults = {} } = registry
  const asked: string[] = []
  const note = (what: string, reference: string): void => {
    asked.push(`${what} ${reference}`)
    const fault = faults[`${what} ${reference}`]
    if (fault !== undefined) throw new UpstreamError(fault, `${fault}: ${what}`)
  }
  const find = (reference: Reference): FoundManifest => {
    const found =
      reference.kind === 'tag' ? tags[reference.tag] : manifests.find(({ digest }) => digest === reference.digest)
    if (found === undefined) throw new UpstreamError('notFound', 'up.test does not have it')
    return found
  }
  const store = ({ digest, size, manifest }: FoundManifest): StoredManifest => {
    return { digest, manifest, bytes: Buffer.alloc(size) }
  }
  const nameOf = (reference: Reference): string => (reference.kind === 'tag' ? reference.tag : reference.digest)
  const parts = {
    listReferrers: async (_ask: unknown, subject: Digest) => {
      note('LIST', subject)
      const descriptors = referrers
        .filter(([of]) => of.digest === subject)
        .map(([, { digest, size }]) => ({ mediaType: 'application/json', digest, size }))
      return { descriptors: descriptors as Descriptor[], via }
    },
    manifests: {
      head: async (_located: unknown, reference: Reference) => {
        note('HEAD', nameOf(reference))
        return registry.tellsNoDigest === true ? undefined : find(reference).digest
      },
      get: async (_located: unknown, reference: Reference) => {
        note('GET', nameOf(reference))
        return store(find(reference))
      },
    },
    local: async (_name: string, digest: Digest) => {
      const found = here.find((each) => each.digest === digest)
      return found && store(found)
    },
  }
  const read = (root: FoundManifest, more: Partial<ImageAsk> = {}, platforms: 'all' | string[] = 'all') => {
    const { root: _root, read: _read, followers: _followers, ...image } = meantOf('1', root, { platforms })
    const located = { name: 'app', repository: 'app', upstream: {} } as unknown as ImageAsk['located']
    const reference = { kind: 'tag', tag: '1' as Tag } as const
    return readImage({ image, located, reference, referrers: false, ...more }, parts)
  }
  return { asked, read }
}

const digestsOf = (list: Iterable<{ readonly digest: string }> | undefined): string[] =>
  [...(list ?? [])].map(({ digest }) => digest)

t.test('an image is read with the children that are meant, and no others', async (t) => {
  const { asked, read } = open({ tags: { 1: index }, manifests: [index, amd64, arm64] })
  const image = await read(index, {}, ['linux/arm64'])
  if ('why' in image) throw new Error(image.why)
  t.equal(image.root.digest, index.digest)
  t.same([...image.read.keys()], [arm64.digest])
  t.same(asked, ['HEAD 1', `GET ${index.digest}`, `GET ${arm64.digest}`])
})

t.test('what is here is not asked for again: one HEAD for an image that did not move', async (t) => {
  const { asked, read } = open({ tags: { 1: index }, here: [index, amd64, arm64] })
  const image = await read(index)
  if ('why' in image) throw new Error(image.why)
  t.same([...image.read.keys()], [amd64.digest, arm64.digest])
  t.same(asked, ['HEAD 1'])
})

t.test('a registry that does not tell the digest of a tag is asked for the manifest', async (t) => {
  const { asked, read } = open({ tags: { 1: amd64 }, tellsNoDigest: true })
  t.match(await read(amd64), { root: { digest: amd64.digest } })
  t.same(asked, ['HEAD 1', 'GET 1'])
})

t.test('an image by its digest needs no HEAD', async (t) => {
  const { asked, read } = open({ manifests: [amd64] })
  await read(amd64, { reference: { kind: 'digest', digest: amd64.digest } })
  t.same(asked, [`GET ${amd64.digest}`])
})

t.test('what refers to an image comes along, what refers to that too, and signatures by tag', async (t) => {
  const { read } = open({
    tags: { 1: amd64, [SIG]: signature },
    manifests: [amd64, sbom, sbomSignature, signature],
    referrers: [
      [amd64, sbom],
      [sbom, sbomSignature],
    ],
  })
  const image = await read(amd64, { referrers: true })
  if ('why' in image) throw new Error(image.why)
  t.same(digestsOf(image.followers).toSorted(), digestsOf([sbom, sbomSignature, signature]).toSorted())
  t.same(
    image.followers.flatMap(({ tag }) => tag ?? []),
    [SIG],
  )
})

t.test('of tags that the list does not have none is asked for', async (t) => {
  const { asked, read } = open({ tags: { 1: amd64, [SIG]: signature }, manifests: [amd64, signature] })
  const tags = new Set(['1', SIG] as Tag[])
  t.match(await read(amd64, { referrers: true, tags }), { followers: [{ tag: SIG }] })
  t.same(
    asked.filter((each) => each.startsWith('HEAD')),
    ['HEAD 1', `HEAD ${SIG}`],
  )
})

t.test('where a tag stands in for the list of referrers it comes along', async (t) => {
  const list = indexOf([sbom, {}])
  const { read } = open({
    tags: { 1: amd64, [BASE]: list },
    manifests: [amd64, sbom, list],
    referrers: [[amd64, sbom]],
    via: 'tag',
  })
  const image = await read(amd64, { referrers: true })
  if ('why' in image) throw new Error(image.why)
  t.same(digestsOf(image.followers).toSorted(), digestsOf([sbom, list]).toSorted())
})

t.test('an image that its upstream does not give is told with the reason', async (t) => {
  for (const [faults, why] of [
    [{ 'HEAD 1': 'notFound' }, 'notFound: HEAD'],
    [{ [`GET ${arm64.digest}`]: 'invalid' }, 'invalid: GET'],
    [{ [`LIST ${index.digest}`]: 'failed' }, 'failed: LIST'],
  ] as const) {
    const { read } = open({ tags: { 1: index }, manifests: [index, amd64, arm64], faults })
    t.match(await read(index, { referrers: true }), { from: 'up.example/app:1', tag: '1', why })
  }
})

t.test('a referrer that is gone is left out; one that did not come yet fails the image', async (t) => {
  const common = { tags: { 1: amd64 }, referrers: [[amd64, sbom]] as const }
  t.match(await open({ ...common, manifests: [amd64] }).read(amd64, { referrers: true }), { followers: [] })
  const faults = { [`GET ${sbom.digest}`]: 'limited' } as const
  const { read } = open({ ...common, manifests: [amd64, sbom], faults })
  t.match(await read(amd64, { referrers: true }), { why: 'limited: GET' })
})

t.test('what is left out of what refers to an image is told, but for tags that are not there', async (t) => {
  const common = { tags: { 1: amd64 }, manifests: [amd64] }
  t.notOk('leftOut' in (await open(common).read(amd64, { referrers: true })))
  const gone = open({ ...common, referrers: [[amd64, sbom]] as const })
  t.match(await gone.read(amd64, { referrers: true }), {
    leftOut: `left out of what refers to it: ${sbom.digest}: up.test does not have it`,
  })
  const broken = open({ ...common, faults: { [`HEAD ${SIG}`]: 'invalid' } })
  t.match(await broken.read(amd64, { referrers: true }), { leftOut: /\.sig: invalid: HEAD/ })
  const many = Array.from({ length: 102 }, (_, index) => imageOf(`sbom-${index}`, { x: 1 }))
  const flood = open({
    tags: { 1: amd64 },
    manifests: [amd64, ...many],
    referrers: many.map((each) => [amd64, each] as const),
  })
  t.match(await flood.read(amd64, { referrers: true }), { leftOut: /: 2, such as sha256:.*more than 100 refer/ })
})
