import t from 'tap'
import type { Digest } from '../../src/oci/digest.ts'
import { digestOf, hexOf } from '../../src/oci/digest.ts'
import type { Manifest } from '../../src/oci/manifest.ts'
import { readManifest } from '../../src/oci/manifest.ts'
import { parseTag } from '../../src/oci/reference.ts'
import type { Removal, RemovalPlan } from '../../src/registry/plan-removal.ts'
import { readSubjectTag, subjectTagOf } from '../../src/oci/subject-tag.ts'
import { planRemoval } from '../../src/registry/plan-removal.ts'
import { imageOf, indexOf, partOf } from '../helpers/plant.ts'

const CONFIG = partOf(Buffer.from('{}'))

/** The bytes of an image that is told apart by `note`, about `subject` if there is one. */
function image(note: string, subject?: Buffer): Buffer {
  return imageOf(CONFIG, [], { annotations: { note }, ...(subject && { subject: describe(subject) }) })
}

function describe(bytes: Buffer) {
  return { mediaType: 'application/vnd.oci.image.manifest.v1+json', ...partOf(bytes) }
}

interface Asked {
  readonly tags?: readonly string[]
  readonly digests?: readonly Buffer[]
  readonly whole?: boolean
  readonly pinnedTags?: readonly string[]
  readonly pinnedDigests?: readonly Buffer[]
  readonly broken?: readonly Buffer[]
}

/** Plans a removal from a repository of `all` manifests and `tags`, and names them again by their keys. */
function plan(all: Record<string, Buffer>, tags: Record<string, Buffer>, asked: Asked) {
  const manifests = new Map<Digest, Manifest | undefined>(
    Object.values(all).map((bytes) => [
      digestOf(bytes),
      asked.broken?.includes(bytes) ? undefined : readManifest(bytes),
    ]),
  )
  const targets = new Map(Object.entries(tags).map(([tag, bytes]) => [parseTag(tag), digestOf(bytes)]))
  const removal: Removal = {
    tags: new Set(asked.whole ? targets.keys() : (asked.tags ?? []).map(parseTag)),
    digests: new Set((asked.digests ?? []).map((bytes) => digestOf(bytes))),
    whole: asked.whole ?? false,
    pinned: {
      tags: new Set((asked.pinnedTags ?? []).map(parseTag)),
      digests: new Set((asked.pinnedDigests ?? []).map((bytes) => digestOf(bytes))),
    },
  }
  const found = planRemoval({ tags: targets, manifests }, removal)
  checkNothingDangles(found, { tags: targets, manifests })
  const nameOf = (digest: Digest): string =>
    Object.entries(all).find(([, bytes]) => digestOf(bytes) === digest)?.[0] ?? digest
  return {
    tags: found.tags.toSorted(),
    manifests: found.manifests.map(nameOf),
    refused: found.refused.map(({ tag, digest, why }) => `${digest === undefined ? tag : nameOf(digest)} ${why}`),
    unreadable: found.unreadable.map(nameOf),
  }
}

/** Whatever is removed: no tag and no index that stays may name what goes. */
function checkNothingDangles(
  found: RemovalPlan,
  content: { tags: ReadonlyMap<string, Digest>; manifests: ReadonlyMap<Digest, Manifest | undefined> },
): void {
  const gone = new Set(found.manifests)
  for (const [tag, target] of content.tags) {
    if (gone.has(target) && !found.tags.some((one) => one === tag)) throw new Error(`${tag} would point nowhere`)
  }
  for (const [digest, manifest] of content.manifests) {
    if (gone.has(digest)) continue
    for (const child of manifest?.manifests ?? []) if (gone.has(child.digest)) throw new Error('an index lost a child')
  }
}

const A = image('a')
const B = image('b')
const AB = indexOf([partOf(A), partOf(B)])
const OTHER = indexOf([partOf(B)], { annotations: { other: 'yes' } })
const SIGNATURE = image('signature of a', A)
const OF_INDEX = image('signature of the index', AB)
const COSIGN = image('by cosign')
const cosignTag = `sha256-${hexOf(digestOf(A))}.sig`

t.test('with its last tag goes the manifest, and with one of several only the tag', async (t) => {
  t.same(plan({ A }, { v1: A }, { tags: ['v1'] }), { tags: ['v1'], manifests: ['A'], refused: [], unreadable: [] })
  t.same(plan({ A }, { v1: A, v2: A }, { tags: ['v1'] }).manifests, [])
  t.same(plan({ A }, { v1: A, v2: A }, { tags: ['v1', 'v2'] }).manifests, ['A'])
})

t.test('with an index go its children, and it goes before them', async (t) => {
  t.same(plan({ A, B, AB }, { list: AB }, { tags: ['list'] }).manifests.toSorted(), ['A', 'AB', 'B'])
  t.equal(plan({ A, B, AB }, { list: AB }, { tags: ['list'] }).manifests[0], 'AB')
})

t.test('children that another index or a tag names stay', async (t) => {
  const all = { A, B, AB, OTHER }
  t.same(plan(all, { list: AB, other: OTHER }, { tags: ['list'] }).manifests.toSorted(), ['A', 'AB'])
  t.same(plan(all, { list: AB, a: A, other: OTHER }, { tags: ['list'] }).manifests, ['AB'])
})

t.test('a tagged child of an index that stays loses its tag alone', async (t) => {
  t.same(plan({ A, B, AB }, { list: AB, a: A }, { tags: ['a'] }), {
    tags: ['a'],
    manifests: [],
    refused: [],
    unreadable: [],
  })
})

t.test('manifests without a tag that have nothing to do with it stay', async (t) => {
  t.same(plan({ A, B }, { v1: A }, { tags: ['v1'] }).manifests, ['A'])
})

t.test('referrers go with their subject: by subject, by cosign’s tags, by the fallback tag', async (t) => {
  const all = { A, SIGNATURE, COSIGN }
  const gone = plan(all, { v1: A, [cosignTag]: COSIGN }, { tags: ['v1'] })
  t.same(gone.tags, [cosignTag, 'v1'].toSorted())
  t.same(gone.manifests.toSorted(), ['A', 'COSIGN', 'SIGNATURE'])
  const FALLBACK = indexOf([partOf(SIGNATURE)])
  const listed = plan({ A, SIGNATURE, FALLBACK }, { v1: A, [subjectTagOf(digestOf(A))]: FALLBACK }, { tags: ['v1'] })
  t.same(listed.manifests.toSorted(), ['A', 'FALLBACK', 'SIGNATURE'])
})

t.test('signatures of what stays stay, also when only their fallback tag is removed', async (t) => {
  const both = { v1: A, v2: A, [cosignTag]: COSIGN }
  t.same(plan({ A, SIGNATURE, COSIGN }, both, { tags: ['v1'] }), {
    tags: ['v1'],
    manifests: [],
    refused: [],
    unreadable: [],
  })
  t.same(plan({ A, SIGNATURE }, { v1: A, s: SIGNATURE }, { tags: ['s'] }).manifests, [])
  const FALLBACK = indexOf([partOf(SIGNATURE)])
  const fallback = subjectTagOf(digestOf(A))
  t.same(plan({ A, SIGNATURE, FALLBACK }, { v1: A, [fallback]: FALLBACK }, { tags: [fallback] }).manifests, [
    'FALLBACK',
  ])
})

t.test('a signature that is named by its digest goes alone', async (t) => {
  t.same(plan({ A, SIGNATURE }, { v1: A }, { digests: [SIGNATURE] }).manifests, ['SIGNATURE'])
  t.same(plan({ A, COSIGN }, { v1: A, [cosignTag]: COSIGN }, { digests: [COSIGN] }), {
    tags: [cosignTag],
    manifests: ['COSIGN'],
    refused: [],
    unreadable: [],
  })
})

t.test('signatures of children and of the index go with the index', async (t) => {
  const all = { A, B, AB, SIGNATURE, OF_INDEX }
  t.same(plan(all, { list: AB }, { tags: ['list'] }).manifests.length, 5)
  t.same(plan(all, { list: AB, a: A }, { tags: ['list'] }).manifests.toSorted(), ['AB', 'B', 'OF_INDEX'])
})

t.test('a digest takes every tag that points to it', async (t) => {
  t.same(plan({ A, B }, { v1: A, v2: A, v3: B }, { digests: [A] }), {
    tags: ['v1', 'v2'],
    manifests: ['A'],
    refused: [],
    unreadable: [],
  })
})

t.test('a digest that an index names which stays is refused, with its tags', async (t) => {
  t.same(plan({ A, B, AB }, { list: AB, a: A }, { digests: [A] }), {
    tags: [],
    manifests: [],
    refused: ['A needed'],
    unreadable: [],
  })
  t.same(plan({ A, B, AB }, { list: AB, a: A }, { digests: [A, AB] }).manifests.toSorted(), ['A', 'AB', 'B'])
})

t.test('a pinned tag is refused, and what it needs stays whatever else goes', async (t) => {
  const all = { A, B, AB, SIGNATURE }
  const tags = { list: AB, a: A, copy: AB }
  t.same(plan(all, tags, { tags: ['list', 'a', 'copy'], pinnedTags: ['list'] }), {
    tags: ['a', 'copy'],
    manifests: [],
    refused: ['list pinned'],
    unreadable: [],
  })
  t.same(plan(all, tags, { digests: [A], pinnedTags: ['list'] }).refused, ['A pinned'])
})

t.test('a pinned digest stays when its tag goes', async (t) => {
  t.same(plan({ A }, { v1: A }, { tags: ['v1'], pinnedDigests: [A] }), {
    tags: ['v1'],
    manifests: [],
    refused: [],
    unreadable: [],
  })
})

t.test('of a whole repository goes all but what is pinned, with its signatures', async (t) => {
  const all = { A, B, AB, SIGNATURE, COSIGN, OTHER }
  const tags = { list: AB, a: A, [cosignTag]: COSIGN }
  t.equal(plan(all, tags, { whole: true }).manifests.length, 6)
  t.same(plan(all, tags, { whole: true }).tags.length, 3)
  const pinned = plan(all, tags, { whole: true, pinnedTags: ['a'] })
  t.same(pinned.manifests.toSorted(), ['AB', 'B', 'OTHER'])
  t.same(pinned.tags, ['list'])
  t.same(pinned.refused, ['a pinned'])
})

t.test(
  'with a manifest that cannot be read, which could be an index of anything, only tags and named digests go',
  async (t) => {
    const all = { A, B, AB, OTHER }
    t.same(plan(all, { list: AB, other: OTHER }, { tags: ['list'], broken: [OTHER] }), {
      tags: ['list'],
      manifests: [],
      refused: [],
      unreadable: ['OTHER'],
    })
    t.same(plan(all, { list: AB }, { digests: [AB], broken: [OTHER] }).manifests, ['AB'])
  },
)

t.test('a manifest that cannot be read goes itself when it is asked for', async (t) => {
  t.same(plan({ A, B }, { v1: A, v2: B }, { tags: ['v1'], broken: [A] }).manifests, ['A'])
  t.same(plan({ A, B }, { v1: A }, { whole: true, broken: [A] }).manifests.toSorted(), ['A', 'B'])
})

t.test('a tag whose manifest is not here goes', async (t) => {
  t.same(plan({ B }, { v1: A, v2: B }, { tags: ['v1'] }), { tags: ['v1'], manifests: [], refused: [], unreadable: [] })
})

t.test('tags about a digest are known by their form alone', async (t) => {
  const hex = hexOf(digestOf(A))
  t.equal(readSubjectTag(parseTag(`sha256-${hex}`)), `sha256-${hex}`)
  for (const end of ['.sig', '.att', '.sbom']) t.ok(readSubjectTag(parseTag(`sha256-${hex}${end}`)))
  for (const other of [`sha256-${hex.slice(1)}`, `sha256-${hex}x`, 'v1']) {
    t.equal(readSubjectTag(parseTag(other)), undefined, other)
  }
  t.equal(subjectTagOf(digestOf(A, 'sha512')).length, 'sha512-'.length + 64, 'cut as the specification says')
})
