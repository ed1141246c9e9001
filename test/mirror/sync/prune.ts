import t from 'tap'
import type { Test } from 'tap'
import { findSynced, prune } from '../../../src/mirror/sync/prune.ts'
import type { PruneParts } from '../../../src/mirror/sync/prune.ts'
import type { Digest } from '../../../src/oci/digest.ts'
import { digestOf } from '../../../src/oci/digest.ts'
import type { Tag } from '../../../src/oci/reference.ts'
import { parseTag } from '../../../src/oci/reference.ts'
import { pushManifest } from '../../../src/registry/push-manifest.ts'
import { removeImages } from '../../../src/registry/remove-images.ts'
import { imageOf, partOf } from '../../helpers/plant.ts'
import { A, makeContext, makeStore, pushBytes } from '../../helpers/store.ts'

const CONFIG = Buffer.from('{}')
const [OLD, BOTH, THEIRS, ANY] = ['old', 'both', 'theirs', 'any'].map(parseTag) as [Tag, Tag, Tag, Tag]

/** A repository of images with these tags, each a sync's or several syncs'; none is one that nobody knows the sync of. */
async function setScene(t: Test, syncs: readonly (readonly [Tag, readonly string[]])[]) {
  const store = makeStore(t.testdir({}))
  const context = makeContext(store)
  await pushBytes(store, A, CONFIG)
  const push = async (tag: Tag, text: string): Promise<Digest> => {
    const layer = Buffer.from(text)
    await pushBytes(store, A, layer)
    const bytes = imageOf(partOf(CONFIG), [partOf(layer)])
    const digest = digestOf(bytes)
    const reference = { kind: 'digest', digest } as const
    await pushManifest(context, { name: A, reference, tags: [tag], bytes, contentType: undefined })
    return digest
  }
  const digests = new Map<Tag, Digest>()
  for (const [tag, by] of syncs) {
    const digest = await push(tag, tag)
    digests.set(tag, digest)
    await store.mirrored.markTag(A, tag, digest, 'quay.io')
    await store.mirrored.markSynced(A, [tag], [])
    for (const each of by) await store.mirrored.markSynced(A, [tag], [], each)
  }
  const goneOf = (...tags: readonly Tag[]) => [
    {
      to: A,
      tags: tags.map((tag) => ({ tag, digest: digests.get(tag) as Digest })),
      share: 0.1,
      maxShare: 0.5,
      isHeld: false,
    },
  ]
  return { store, context, push, digests, goneOf }
}

t.test('a sync may prune what it brought alone, and nothing that others mean too', async (t) => {
  const { store, context, digests } = await setScene(t, [
    [OLD, ['a']],
    [BOTH, ['a', 'b']],
    [THEIRS, ['b']],
    [ANY, []],
  ])
  t.same(findSynced(context, A, 'a'), { own: new Map([[OLD, digests.get(OLD)]]), shared: [BOTH] })
  await store.mirrored.leaveSynced(A, [BOTH], 'b')
  t.same([...findSynced(context, A, 'a').own.keys()], [OLD, BOTH])
})

t.test('what somebody pushes at the last moment stays', async (t) => {
  const { store, context, push, goneOf } = await setScene(t, [
    [OLD, ['a']],
    [BOTH, ['a']],
  ])
  let pushed: Digest | undefined
  const remove: PruneParts['remove'] = async (patterns, options) => {
    // Between the plan and the turn of the removal.
    pushed = await push(OLD, 'mine')
    return removeImages(context, patterns, options)
  }
  const pruned = await prune(goneOf(OLD, BOTH), { context, remove, owner: 'a', confirmed: false })
  t.match(pruned, [{ removed: [BOTH] }])
  t.equal(store.tags.resolve(A, OLD), pushed)
  t.equal(store.tags.resolve(A, BOTH), undefined)
})
