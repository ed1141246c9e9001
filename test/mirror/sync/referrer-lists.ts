import t from 'tap'
import type { ImageAsk } from '../../../src/mirror/sync/read-image.ts'
import { ReferrerLists } from '../../../src/mirror/sync/referrer-lists.ts'
import type { Tag } from '../../../src/oci/reference.ts'
import { subjectTagOf } from '../../../src/oci/subject-tag.ts'
import { UpstreamError } from '../../../src/upstream/upstream-error.ts'
import type { Digest } from '../../../src/oci/digest.ts'
import { digestOf } from '../../../src/oci/digest.ts'

const digestFor = (name: string): Digest => digestOf(Buffer.from(name))

function make(answer: () => Promise<{ descriptors: []; via: 'api' | 'nothing'; complete: true }>) {
  const asked: string[] = []
  const client = {
    listReferrers: async (_repository: string, digest: string) => {
      asked.push(digest)
      return answer()
    },
  }
  const askWith = (tags?: readonly string[]): ImageAsk =>
    ({
      located: { repository: 'app', upstream: { client } },
      ...(tags && { tags: new Set(tags as Tag[]) }),
    }) as unknown as ImageAsk
  return { asked, askWith, lists: new ReferrerLists(new AbortController().signal) }
}

const [a, b, c] = [digestFor('a'), digestFor('b'), digestFor('c')]

t.test('a registry without the API is asked once, where its tags are known', async (t) => {
  const { asked, askWith, lists } = make(async () => ({ descriptors: [], via: 'nothing', complete: true }))
  const ask = askWith(['v1', subjectTagOf(b)])
  // All at once: the others wait for the first answer.
  const found = await Promise.all([a, b, c].map((digest) => lists.list(ask, digest)))
  t.same(asked, [a, b], 'and for the one whose tag is there')
  t.same(found[2], { descriptors: [], via: 'nothing' })
  await lists.list(askWith(), c)
  t.same(asked, [a, b, c], 'without its tags nobody knows')
})

t.test('a registry with the API is asked for each', async (t) => {
  const { asked, askWith, lists } = make(async () => ({ descriptors: [], via: 'api', complete: true }))
  for (const digest of [a, b]) await lists.list(askWith(['v1']), digest)
  t.same(asked, [a, b])
})

t.test('no answer says nothing of the API', async (t) => {
  let isAway = true
  const { asked, askWith, lists } = make(async () => {
    if (isAway) throw new UpstreamError('unreachable', 'nobody there')
    return { descriptors: [], via: 'nothing', complete: true }
  })
  await t.rejects(lists.list(askWith(['v1']), a), UpstreamError)
  isAway = false
  await lists.list(askWith(['v1']), b)
  await lists.list(askWith(['v1']), c)
  t.same(asked, [a, b])
})
